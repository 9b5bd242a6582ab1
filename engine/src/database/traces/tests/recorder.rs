//! The recorder: hours, a restart within an hour, a store that fails, bounds, and windows read back.

use almanac_models::Timestamp;

use super::{
    super::{BufferLimits, TraceRecorder, WindowFilter, loops},
    *,
};
use crate::store::{Store, StoreOptions};

const HOUR: Timestamp = Timestamp::from_millis(1_795_420_800_000);

fn recorder() -> TraceRecorder {
    TraceRecorder::new(BufferLimits { wait_ms: 1_000, ..BufferLimits::default() }, StatementReader::default())
}

/// Stores as the service does.
fn store_changed(recorder: &mut TraceRecorder, store: &Store, now: Timestamp, all: bool) -> usize {
    let filter = |hour| WindowFilter { since: Some(hour), ..WindowFilter::default() };
    let stored = recorder.needs_hour(now).map(|hour| Window::read(store, &filter(hour)).unwrap());
    let rows = recorder.changed_rows(stored, now, all);
    let count = rows.len();
    store.put_request_statements(rows).unwrap();
    count
}

#[test]
fn a_restart_continues_the_hour_and_windows_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("traces.duckdb"), StoreOptions::default()).unwrap();
    let at = |seconds: i64| HOUR.plus_millis(seconds * 1_000);
    let mut first = recorder();
    first.record((0..4).flat_map(|trace| serial(trace, 10)).collect(), at(10));
    // The traces are not complete.
    assert_eq!(store_changed(&mut first, &store, at(10), false), 0);
    assert_eq!(first.counts().open, 4);
    // The row of the route and those of the list and the owners.
    assert_eq!(store_changed(&mut first, &store, at(11), false), 3);
    assert_eq!(store_changed(&mut first, &store, at(12), false), 0);
    first.record((4..8).flat_map(|trace| serial(trace, 10)).collect(), at(20));
    assert_eq!(store_changed(&mut first, &store, at(20), true), 3);
    drop(first);
    let mut second = recorder();
    second.record((8..10).flat_map(|trace| serial(trace, 10)).collect(), at(30));
    store_changed(&mut second, &store, at(40), false);
    let all = WindowFilter::default();
    let read = Window::read(&store, &all).unwrap();
    assert_eq!((loops(&read)[0].looping, loops(&read)[0].requests), (10, 10));
    // The next hour has rows of its own.
    second.record((10..12).flat_map(|trace| serial(trace, 10)).collect(), at(3_590));
    store_changed(&mut second, &store, at(3_610), false);
    assert_eq!(second.counts().requests, 4);
    let later = WindowFilter { since: Some(at(3_600)), until: Some(at(5_400)), ..WindowFilter::default() };
    let of_later = Window::read(&store, &later).unwrap();
    assert_eq!((of_later.length_ms, of_later.routes.values().next().unwrap().requests), (1_800_000, 2));
    let both = Window::read(&store, &all).unwrap();
    assert_eq!((both.length_ms, loops(&both)[0].looping), (7_200_000, 12));
    for (service, database, expected) in [("shop", "app", 1), ("shop", "other", 0), ("other", "app", 0)] {
        let filter = WindowFilter { service: Some(service.into()), database: Some(database.into()), ..all.clone() };
        assert_eq!(loops(&Window::read(&store, &filter).unwrap()).len(), expected, "{service} {database}");
    }
    // Rows older than 14 days are deleted with the next ones.
    second.record(serial(20, 1), at(15 * 86_400));
    store_changed(&mut second, &store, at(15 * 86_400 + 10), false);
    assert_eq!(Window::read(&store, &all).unwrap().length_ms, 3_600_000);
    store.close().unwrap();
}

#[test]
fn rows_that_were_not_stored_are_returned_again() {
    let mut recorder = recorder();
    recorder.record(serial(1, 10), HOUR);
    let rows = recorder.changed_rows(Some(Window::default()), HOUR, true);
    assert_eq!(recorder.changed_rows(None, HOUR, true), []);
    recorder.not_stored();
    assert_eq!(recorder.changed_rows(None, HOUR, true), rows);
}

#[test]
fn routes_of_an_hour_are_bounded() {
    let mut recorder = recorder();
    for trace in 0..6_000 {
        let mut request = Trace::server(trace, &format!("GET /{trace}"));
        request.sql(OWNER, MS);
        recorder.record(request.end(), HOUR);
    }
    let rows = recorder.changed_rows(Some(Window::default()), HOUR, true);
    assert_eq!((rows.len(), recorder.counts().families_left_out), (5_000, 3_500));
}
