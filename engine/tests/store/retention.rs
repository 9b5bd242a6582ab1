//! Retention: what it deletes, what it holds back, and that the clock alone deletes nothing.

use almanac_engine::store::{Compaction, StoreOptions};
use almanac_models::Timestamp;
use arrow::{array::AsArray, datatypes::Int64Type};

use crate::support::{Fresh, all, labels, put};

const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Retention of a day, in a store with a sample every minute for two days.
fn two_days() -> (Fresh, StoreOptions) {
    let options = StoreOptions {
        retention_raw_ms: Some(24 * HOUR),
        retention_rollup_ms: Some(24 * HOUR),
        ..StoreOptions::default()
    };
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    let samples: Vec<_> = (0..2_880).map(|minute| (&up, minute * 60_000, 1.0)).collect();
    put(&fresh.store, &samples);
    fresh.store.compact(at(48 * HOUR), Compaction::All).unwrap();
    (fresh.reopened_with(options.clone()), options)
}

fn stored(fresh: &Fresh) -> usize {
    all(&fresh.store).iter().map(|series| series.timestamps.len()).sum()
}

#[test]
fn a_new_retention_deletes_nothing_until_it_is_allowed() {
    let (fresh, options) = two_days();
    let (samples, rollups) = (1_439, 24 * 12 + 24 - 1);
    for what in [Compaction::Due, Compaction::All] {
        let report = fresh.store.compact(at(48 * HOUR), what).unwrap();
        assert_eq!((report.samples_expired, stored(&fresh)), (0, 2_880));
        assert!(report.rows_held >= samples, "{report:?}");
        assert_eq!(fresh.store.stats().rows_held, report.rows_held);
    }
    let report = fresh.store.compact_dropping(at(48 * HOUR), Compaction::All, true).unwrap();
    assert_eq!((report.samples_expired, report.rows_held), (samples, 0));
    assert_eq!((stored(&fresh), fresh.store.stats().rows_held), (1_441, 0));
    let count = |table: &str| {
        let sql = format!("SELECT count(*)::BIGINT FROM {table}");
        let answer = fresh.store.analyst_sql(&sql, &[], Default::default()).unwrap();
        answer.batches[0].column(0).as_primitive::<Int64Type>().value(0)
    };
    assert!(count("rollup_5m") + count("rollup_1h") <= rollups + 3);
    // From here on retention goes on by itself, also after a restart.
    let up = labels(&[("__name__", "up")]);
    let fresh = fresh.reopened_with(options);
    for minute in 2_880..3_600_i64 {
        put(&fresh.store, &[(&up, minute * 60_000, 1.0)]);
        if minute % 10 == 0 {
            let report = fresh.store.compact(at(minute * 60_000), Compaction::All).unwrap();
            assert_eq!(report.rows_held, 0, "{minute}");
        }
    }
    assert_eq!(all(&fresh.store)[0].timestamps[0], (3_590 - 24 * 60) * 60_000);
}

#[test]
fn a_fast_clock_deletes_nothing() {
    let (fresh, _) = two_days();
    fresh.store.compact_dropping(at(48 * HOUR), Compaction::All, true).unwrap();
    let before = stored(&fresh);
    for days in [1, 30, 4_000] {
        for what in [Compaction::Due, Compaction::All] {
            fresh.store.compact(at((48 + days * 24) * HOUR), what).unwrap();
            assert_eq!(stored(&fresh), before, "{days} days");
        }
    }
    // The clock is fast and a sender whose clock agrees sends a sample of that time.
    put(&fresh.store, &[(&labels(&[("__name__", "fast")]), 30 * 24 * HOUR, 1.0)]);
    let report = fresh.store.compact(at(30 * 24 * HOUR), Compaction::All).unwrap();
    assert_eq!(stored(&fresh), before + 1);
    assert!(report.rows_held >= before as u64, "{report:?}");
    // The clock comes back: the sample of the future counts no more.
    let report = fresh.store.compact(at(48 * HOUR), Compaction::All).unwrap();
    assert_eq!((stored(&fresh), report.rows_held), (before + 1, 0));
}

#[test]
fn what_a_long_stop_has_expired_is_deleted_once_new_samples_outnumber_it() {
    let (fresh, _) = two_days();
    fresh.store.compact_dropping(at(48 * HOUR), Compaction::All, true).unwrap();
    let (before, up) = (stored(&fresh), labels(&[("__name__", "up")]));
    // A month later the service starts again.
    let start = 32 * 24 * HOUR;
    put(&fresh.store, &[(&up, start, 1.0)]);
    assert!(fresh.store.compact(at(start), Compaction::All).unwrap().rows_held >= before as u64);
    let samples: Vec<_> = (1..6_000).map(|n| (&up, start + n * 10_000, 1.0)).collect();
    put(&fresh.store, &samples);
    let report = fresh.store.compact(at(start + 60_000_000), Compaction::All).unwrap();
    assert_eq!((report.samples_expired, stored(&fresh)), (before as u64, 6_000));
}
