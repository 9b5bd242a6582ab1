//! Deletion of hot, late and cold samples, rollups and series, followed by a restart, a compaction or a crash.
#![expect(clippy::print_stdout, reason = "a test that runs as a second process reports through its output")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use almanac_engine::{
    series::{Labels, MatchOp, Matcher, SeriesSamples},
    store::{
        Compaction, Deletion, DeletionReport, SampleBatch, Store, StoreError, StoreOptions,
        rows::{ForecastRow, RowFilter},
    },
};
use almanac_models::Timestamp;

use crate::support::{Fresh, all, labels, named, put};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn metric(name: &str) -> Labels {
    labels(&[("__name__", name)])
}

fn deletion(name: &str, from: Option<i64>, until: Option<i64>) -> Deletion {
    let matchers = vec![Matcher::equal("__name__", name)];
    Deletion { matchers, from: from.map(at), until: until.map(at), dry_run: false }
}

/// Returns the rows of a statement as text.
fn rows(store: &Store, sql: &str) -> Vec<String> {
    crate::sql::rows(store, sql, &[])
}

fn rollups(store: &Store, name: &str) -> Vec<String> {
    let sql = format!(
        "SELECT epoch_ms(timestamp) || ' ' || count || ' ' || sum || ' ' || min || ' ' || max || ' ' || last
         FROM rollups_5m JOIN series USING (series_id) WHERE name = '{name}' ORDER BY timestamp"
    );
    rows(store, &sql)
}

/// Creates a store with hot, late and cold samples of `gone` and `stays`: one per minute for four hours.
fn layered() -> Fresh {
    let fresh = Fresh::new();
    let (gone, stays) = (metric("gone"), metric("stays"));
    let minutes = |range: std::ops::Range<i64>| -> Vec<(i64, f64)> {
        range.map(|n| (n * MINUTE, f64::from(i32::try_from(n).unwrap()))).collect()
    };
    let append = |samples: &[(i64, f64)]| {
        let both: Vec<_> = samples.iter().flat_map(|&(t, v)| [(&gone, t, v), (&stays, t, v)]).collect();
        put(&fresh.store, &both);
    };
    append(&minutes(0..120));
    fresh.store.compact(at(0), Compaction::All).unwrap();
    append(&minutes(120..240));
    // Late: new values of cold and hot samples, and a new sample between.
    append(&[(10 * MINUTE, 1000.0), (130 * MINUTE, 1000.0), (10 * MINUTE + 1, 7.0)]);
    fresh
}

/// Runs `check` before and after restarts and compactions, which must not restore deleted samples.
fn then(fresh: Fresh, check: impl Fn(&Store)) {
    check(&fresh.store);
    let fresh = fresh.reopened();
    check(&fresh.store);
    fresh.store.compact(at(100 * HOUR), Compaction::Due).unwrap();
    check(&fresh.store);
    fresh.store.compact(at(100 * HOUR), Compaction::All).unwrap();
    check(&fresh.store);
    let fresh = fresh.reopened();
    check(&fresh.store);
}

#[test]
fn a_span_is_deleted_from_every_layer_and_nothing_else_is() {
    for (from, until) in [
        (5 * MINUTE, 15 * MINUTE),
        (100 * MINUTE, 140 * MINUTE),
        (0, 240 * MINUTE),
        (10 * MINUTE, 10 * MINUTE),
        (239 * MINUTE, 500 * MINUTE),
        (-5, 3),
    ] {
        let fresh = layered();
        let before = named(&fresh.store, "gone", i64::MIN, i64::MAX).remove(0);
        let kept: Vec<(i64, f64)> = before
            .timestamps
            .iter()
            .zip(&before.values)
            .map(|(&t, &v)| (t, v))
            .filter(|&(t, _)| t < from || t > until)
            .collect();
        let other = named(&fresh.store, "stays", i64::MIN, i64::MAX);
        let asked = deletion("gone", Some(from), Some(until));
        let counted = fresh.store.delete(&Deletion { dry_run: true, ..asked.clone() }).unwrap();
        assert_eq!(
            named(&fresh.store, "gone", i64::MIN, i64::MAX),
            std::slice::from_ref(&before),
            "a dry run deletes nothing"
        );
        let report = fresh.store.delete(&asked).unwrap();
        assert_eq!(report.samples, (before.timestamps.len() - kept.len()) as u64, "{from} {until}");
        assert_eq!((report.series, report.oldest >= Some(at(from)), report.newest <= Some(at(until))), (1, true, true));
        assert_eq!(DeletionReport { series_emptied: report.series_emptied, ..counted }, report);
        then(fresh, |store| {
            let left: Vec<SeriesSamples> = named(store, "gone", i64::MIN, i64::MAX);
            let left: Vec<(i64, f64)> =
                left.iter().flat_map(|s| s.timestamps.iter().zip(&s.values).map(|(&t, &v)| (t, v))).collect();
            assert_eq!(left, kept, "{from} {until}");
            assert_eq!(named(store, "stays", i64::MIN, i64::MAX), other);
            let analyst = rows(store, "SELECT count(*) FROM samples JOIN series USING (series_id) WHERE name = 'gone'");
            assert_eq!(analyst, [kept.len().to_string()]);
        });
    }
}

#[test]
fn rollups_are_as_if_the_samples_had_never_been_written() {
    for (from, until) in
        [(7 * MINUTE, 23 * MINUTE), (0, 29 * MINUTE), (6 * MINUTE, 8 * MINUTE), (10 * MINUTE, 10 * HOUR)]
    {
        let (with, without) = (Fresh::new(), Fresh::new());
        let name = metric("gone");
        for n in 0..60 {
            let (t, value) = (n * MINUTE, f64::from(i32::try_from(n * n % 17).unwrap()));
            put(&with.store, &[(&name, t, value)]);
            if t < from || t > until {
                put(&without.store, &[(&name, t, value)]);
            }
        }
        for fresh in [&with, &without] {
            fresh.store.compact(at(0), Compaction::All).unwrap();
        }
        assert_ne!(rollups(&with.store, "gone"), rollups(&without.store, "gone"));
        with.store.delete(&deletion("gone", Some(from), Some(until))).unwrap();
        let expected = rollups(&without.store, "gone");
        then(with, |store| assert_eq!(rollups(store, "gone"), expected, "{from} {until}"));
    }
}

#[test]
fn a_bucket_with_expired_samples_is_deleted_as_a_whole() {
    let options = StoreOptions { retention_raw_ms: Some(HOUR), ..StoreOptions::default() };
    let fresh = Fresh::with(options);
    let name = metric("gone");
    for n in 0..30 {
        put(&fresh.store, &[(&name, n * MINUTE, 1.0)]);
    }
    fresh.store.compact(at(0), Compaction::All).unwrap();
    // The age counts from the newest sample, and all of a series is more than the largest share.
    put(&fresh.store, &[(&metric("stays"), 10 * HOUR, 1.0)]);
    fresh.store.compact_dropping(at(10 * HOUR), Compaction::All, true).unwrap();
    assert!(named(&fresh.store, "gone", i64::MIN, i64::MAX).is_empty());
    let report = fresh.store.delete(&deletion("gone", Some(7 * MINUTE), Some(12 * MINUTE))).unwrap();
    assert_eq!((report.samples, report.series_emptied), (0, 0));
    let begins: Vec<String> =
        rollups(&fresh.store, "gone").iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(begins, ["0", "900000", "1200000", "1500000"]);
}

#[test]
fn a_deleted_series_may_be_written_again() {
    let fresh = layered();
    let report = fresh.store.delete(&deletion("gone", None, None)).unwrap();
    assert_eq!((report.series, report.series_emptied, report.samples), (1, 1, 241));
    assert_eq!(fresh.store.stats().series, 1);
    assert_eq!(rows(&fresh.store, "SELECT name FROM series"), ["stays"]);
    assert_eq!(fresh.store.label_values("__name__", &[], i64::MIN, i64::MAX).unwrap(), ["stays"]);
    assert_eq!(rollups(&fresh.store, "gone"), Vec::<String>::new());
    // Written again at once, also at deleted timestamps, while the store is open.
    put(&fresh.store, &[(&metric("gone"), 5 * MINUTE, 5.5), (&metric("gone"), 3 * MINUTE, 3.5)]);
    put(&fresh.store, &[(&metric("gone"), 300 * MINUTE, 9.0)]);
    assert_eq!(fresh.store.stats().series, 2);
    then(fresh, |store| {
        let found = named(store, "gone", i64::MIN, i64::MAX);
        assert_eq!(found[0].timestamps, [3 * MINUTE, 5 * MINUTE, 300 * MINUTE]);
        assert_eq!(found[0].values, [3.5, 5.5, 9.0]);
        assert_eq!(rows(store, "SELECT name FROM series ORDER BY name"), ["gone", "stays"]);
    });
}

#[test]
fn a_deleted_series_does_not_count_towards_the_limit() {
    let fresh = Fresh::with(StoreOptions { max_series: 2, ..StoreOptions::default() });
    put(&fresh.store, &[(&metric("a"), 1, 1.0), (&metric("b"), 1, 1.0)]);
    assert!(matches!(fresh.store.resolve(&metric("c")), Err(StoreError::SeriesLimit { .. })));
    fresh.store.delete(&deletion("a", None, None)).unwrap();
    put(&fresh.store, &[(&metric("c"), 1, 1.0)]);
    let fresh = fresh.reopened();
    assert_eq!(rows(&fresh.store, "SELECT name FROM series ORDER BY name"), ["b", "c"]);
    // The number of a deleted series is not assigned again.
    assert_eq!(fresh.store.resolve(&metric("a")).unwrap().index(), 3);
}

#[test]
fn a_selector_of_everything_is_rejected() {
    let fresh = Fresh::new();
    for name in ["a", "b", "c"] {
        put(&fresh.store, &[(&labels(&[("__name__", name), ("job", "x")]), 1, 1.0)]);
    }
    let refused = |name: &str, op: MatchOp, value: &str| {
        let matchers = vec![Matcher::new(name, op, value).unwrap()];
        let asked = Deletion { matchers, from: None, until: None, dry_run: false };
        fresh.store.delete(&asked).unwrap_err().to_string()
    };
    let empty = "the selector has no matcher that excludes the empty value";
    assert!(refused("__name__", MatchOp::Regex, ".*").starts_with(empty));
    assert!(refused("job", MatchOp::NotEqual, "y").starts_with(empty));
    let whole = "the selector matches all 3 series of the store; to delete everything use {__name__=~\".+\"}";
    assert_eq!(refused("job", MatchOp::Regex, ".+"), whole);
    assert_eq!(refused("__name__", MatchOp::NotEqual, ""), whole);
    let none = Deletion { matchers: Vec::new(), from: None, until: None, dry_run: false };
    assert!(matches!(fresh.store.delete(&none), Err(StoreError::EmptySelector)));
    assert_eq!(all(&fresh.store).len(), 3);
    let every = vec![Matcher::new("__name__", MatchOp::Regex, ".+").unwrap()];
    let asked = Deletion { matchers: every, from: None, until: None, dry_run: false };
    assert_eq!(fresh.store.delete(&asked).unwrap().series_emptied, 3);
    assert_eq!(fresh.store.delete(&asked).unwrap(), DeletionReport::default());
    then(fresh, |store| assert!(all(store).is_empty()));
}

#[test]
fn learned_rows_are_kept() {
    let fresh = layered();
    let forecast = ForecastRow {
        signal: "gone".into(),
        timestamp: at(1),
        yhat: 1.0,
        yhat_lower_80: 0.0,
        yhat_upper_80: 2.0,
        yhat_lower_95: 0.0,
        yhat_upper_95: 2.0,
        model: "mstl".into(),
        made_at: at(0),
    };
    fresh.store.put_forecasts(std::slice::from_ref(&forecast)).unwrap();
    fresh.store.delete(&deletion("gone", None, None)).unwrap();
    assert_eq!(fresh.store.forecasts(&RowFilter::default()).unwrap(), [forecast]);
}

#[test]
fn many_series_are_deleted_while_samples_arrive() {
    let fresh = Fresh::new();
    let name =
        |n: i64| labels(&[("__name__", "many"), ("n", &n.to_string()), ("odd", if n % 2 == 1 { "1" } else { "0" })]);
    let ids: Vec<_> = (0..2_000).map(|n| fresh.store.resolve(&name(n)).unwrap()).collect();
    let append = |t: i64| {
        let mut batch = SampleBatch::default();
        ids.iter().for_each(|&id| batch.push(id, t, 1.0));
        fresh.store.append(batch).unwrap().wait().unwrap();
    };
    (0..5).for_each(|t| append(t * HOUR));
    fresh.store.compact(at(0), Compaction::All).unwrap();
    (5..8).for_each(|t| append(t * HOUR));
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| (8..20).for_each(|t| append(t * HOUR)));
        let matchers = vec![Matcher::equal("odd", "1")];
        let asked = Deletion { matchers, from: None, until: Some(at(7 * HOUR)), dry_run: false };
        let report = fresh.store.delete(&asked).unwrap();
        assert_eq!((report.series, report.samples), (1_000, 8_000));
        appending.join().unwrap();
    });
    then(fresh, |store| {
        let found = all(store);
        assert_eq!(found.len(), 2_000);
        for series in found {
            let from = if series.labels.get("odd") == Some("1") { 8 } else { 0 };
            assert_eq!(series.timestamps, (from..20).map(|t| t * HOUR).collect::<Vec<i64>>());
        }
    });
}

/// Environment variable that makes this test, run as a child process, delete and then wait to be killed.
const CHILD: &str = "ALMANAC_TEST_DELETE";

#[test]
fn a_deletion_survives_a_killed_process() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = Store::open(Path::new(&path), StoreOptions::default()).unwrap();
        let report = store.delete(&deletion("gone", Some(MINUTE), None)).unwrap();
        println!("deleted {}.", report.samples);
        put(&store, &[(&metric("gone"), 7 * MINUTE, 70.0)]);
        println!("written.");
        loop {
            std::thread::park();
        }
    }
    let Fresh { store, path, folder } = layered();
    store.close().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "delete::a_deletion_survives_a_killed_process", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("deleted 240.")));
    assert!(lines.any(|line| line.contains("written.")));
    // SIGKILL: no checkpoint, nothing is flushed.
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    then(Fresh { store, path, folder }, |store| {
        let found = named(store, "gone", i64::MIN, i64::MAX);
        assert_eq!(
            (found[0].timestamps.as_slice(), found[0].values.as_slice()),
            ([0, 7 * MINUTE].as_slice(), [0.0, 70.0].as_slice())
        );
        assert_eq!(named(store, "stays", i64::MIN, i64::MAX)[0].timestamps.len(), 241);
    });
}

/// A store with history and one timestamp in microseconds, read as milliseconds.
#[test]
fn one_timestamp_far_ahead_hides_nothing() {
    let options = StoreOptions { retention_raw_ms: Some(24 * HOUR), ..StoreOptions::default() };
    let fresh = Fresh::with(options.clone());
    let ahead = 1_767_225_600_000_000;
    for n in 0..48 {
        put(&fresh.store, &[(&metric("a"), n * HOUR, 1.0)]);
    }
    put(&fresh.store, &[(&metric("b"), ahead, 1.0)]);
    let now = at(50 * HOUR);
    assert_eq!(fresh.store.newest(), Some(at(ahead)));
    assert_eq!(fresh.store.newest_until(now).unwrap(), Some(at(47 * HOUR)));
    assert_eq!(fresh.store.newest_until(at(-1)).unwrap(), None);
    fresh.store.compact(now, Compaction::All).unwrap();
    assert_eq!(fresh.store.newest_until(now).unwrap(), Some(at(47 * HOUR)));
    // Retention depends on the age of old samples, not on the length of the whole span.
    put(&fresh.store, &[(&metric("a"), 60 * HOUR, 1.0)]);
    fresh.store.compact_dropping(at(60 * HOUR), Compaction::Due, true).unwrap();
    assert_eq!(named(&fresh.store, "a", i64::MIN, i64::MAX)[0].timestamps.first(), Some(&(36 * HOUR)));
    fresh.store.delete(&deletion("b", Some(50 * HOUR), None)).unwrap();
    assert_eq!(fresh.store.newest(), Some(at(60 * HOUR)));
}
