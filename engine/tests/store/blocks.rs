//! Blocks of cold segments: views read what they must, buckets outlive their samples, and damage is found and named.

use almanac_engine::{
    series::{Matcher, SampleSource, stale_marker},
    store::{Compaction, Deletion, SqlLimits, Store, StoreError, StoreOptions},
};
use almanac_models::Timestamp;
use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type},
};
use duckdb::Connection;

use crate::support::{Fresh, all, labels, named, put};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Appends a day of samples each minute to 40 series, and compacts them into a cold segment of their own.
fn put_day(store: &Store, day: i64) {
    let all: Vec<_> = (0..40).map(|idx| labels(&[("__name__", "load"), ("pod", &idx.to_string())])).collect();
    for hour in 0..24 {
        let samples: Vec<_> = (0..60)
            .flat_map(|minute| {
                let when = day * DAY + hour * HOUR + minute * 60_000;
                (0_i32..)
                    .zip(&all)
                    .map(move |(idx, labels)| (labels, when, f64::from(idx * 1_000) + (when % 977) as f64))
            })
            .collect();
        put(store, &samples);
    }
    store.compact(at(day * DAY + DAY + 2 * HOUR), Compaction::Due).unwrap();
    store.compact(at(day * DAY + DAY + 4 * HOUR), Compaction::Due).unwrap();
}

fn text(store: &Store, sql: &str) -> String {
    let answer = store.analyst_sql(sql, &[], SqlLimits::default()).unwrap();
    let mut lines = String::new();
    for batch in &answer.batches {
        for column in batch.columns().iter().filter_map(|column| column.as_string_opt::<i32>()) {
            column.iter().flatten().for_each(|line| lines.push_str(line));
        }
    }
    lines
}

fn numbers(store: &Store, sql: &str) -> Vec<i64> {
    let answer = store.analyst_sql(sql, &[], SqlLimits::default()).unwrap();
    answer.batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[test]
fn a_query_of_one_series_and_day_decodes_nothing_else() {
    let fresh = Fresh::new();
    (0..3).for_each(|day| put_day(&fresh.store, day));
    let one = "FROM samples WHERE series_id = 7 AND timestamp >= TIMESTAMP_MS '1970-01-03'";
    let plan = text(&fresh.store, &format!("EXPLAIN ANALYZE SELECT count(*) {one}"));
    assert_eq!(plan.matches("cold_").count(), 1, "{plan}");
    assert!(plan.contains("series_id=7"), "{plan}");
    assert_eq!(numbers(&fresh.store, &format!("SELECT count(*)::BIGINT {one}")), [1_440]);
    assert_eq!(numbers(&fresh.store, "SELECT count(*)::BIGINT FROM samples"), [3 * 40 * 1_440]);
}

/// So many blocks are decoded by several threads, in several calls.
#[test]
fn many_blocks_are_read_as_a_few() {
    let fresh = Fresh::new();
    let all: Vec<_> = (0..9_000).map(|idx| labels(&[("__name__", "many"), ("pod", &idx.to_string())])).collect();
    for round in 0..3 {
        let value = |idx: i32| if idx % 1_000 == 999 && round == 2 { stale_marker() } else { f64::from(idx) };
        let samples: Vec<_> = (0..).zip(&all).map(|(idx, labels)| (labels, round * 200_000, value(idx))).collect();
        put(&fresh.store, &samples);
    }
    fresh.store.compact(at(HOUR), Compaction::All).unwrap();
    let of = |sql: &str| numbers(&fresh.store, &format!("SELECT {sql}"));
    assert_eq!(of("count(*)::BIGINT FROM samples"), [26_991]);
    assert_eq!(
        of("sum(value)::BIGINT FROM samples"),
        [(0..9_000).map(|idx| 3 * idx - i64::from(idx % 1_000 == 999) * idx).sum::<i64>()]
    );
    assert_eq!(of("(sum(epoch_ms(timestamp)) // 1000)::BIGINT FROM samples"), [9_000 * 600 - 9 * 400]);
    let wrong = "count(*) FROM samples WHERE value <> (SELECT any_value(value) FROM samples AS s WHERE s.series_id = samples.series_id)";
    assert_eq!(of(&format!("(SELECT {wrong})::BIGINT")), [0]);
    assert_eq!(of("count(*)::BIGINT FROM rollups_5m"), [17_991]);
    assert_eq!(of("count(*)::BIGINT FROM rollups_5m WHERE count = 2 AND sum = 2 * last AND min = max"), [9_000]);
}

#[test]
fn nan_stale_markers_and_infinities_survive_every_merge() {
    let fresh = Fresh::new();
    let odd = labels(&[("__name__", "odd")]);
    let values: Vec<f64> = (0..400)
        .map(|place| match place {
            7 => f64::NAN,
            11 => stale_marker(),
            13 => f64::INFINITY,
            17 => f64::NEG_INFINITY,
            19 => -0.0,
            _ => f64::from(place) / 10.0,
        })
        .collect();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (round, chunk) in (0..).zip(values.chunks(100)) {
        let samples: Vec<_> =
            (0..).zip(chunk).map(|(place, value)| (&odd, (round * 100 + place) * 10_000, *value)).collect();
        put(&fresh.store, &samples);
        fresh.store.compact(at(round * HOUR), Compaction::All).unwrap();
    }
    let fresh = fresh.reopened();
    assert_eq!(bits(&named(&fresh.store, "odd", 0, DAY)[0].values), bits(&values));
    // Analysts see the stale marker as no sample.
    assert_eq!(numbers(&fresh.store, "SELECT count(*)::BIGINT FROM samples"), [399]);
}

#[test]
fn buckets_of_five_minutes_outlive_their_samples() {
    let fresh = Fresh::new();
    put_day(&fresh.store, 0);
    // Late and repeated samples change buckets.
    let first = labels(&[("__name__", "load"), ("pod", "0")]);
    put(&fresh.store, &[(&first, 3 * HOUR, 5e6), (&first, 3 * HOUR + 1, -7.0), (&first, 20 * HOUR + 30_001, 9.0)]);
    fresh.store.compact(at(2 * DAY), Compaction::All).unwrap();
    let sql = "SELECT string_agg(concat_ws(' ', series_id, epoch_ms(timestamp), count, sum, min, max, last), chr(10)
               ORDER BY series_id, timestamp) FROM rollups_5m";
    let before = text(&fresh.store, sql);
    assert_eq!(before.lines().count(), 40 * 288);
    let options = StoreOptions { retention_raw_ms: Some(12 * HOUR), ..StoreOptions::default() };
    let fresh = fresh.reopened_with(options.clone());
    // Cutoffs within a bucket, several times.
    for now in [30 * HOUR + 130_000, 31 * HOUR + 70_000, 33 * HOUR] {
        put(&fresh.store, &[(&labels(&[("__name__", "clock")]), now, 1.0)]);
        let report = fresh.store.compact_dropping(at(now), Compaction::All, true).unwrap();
        assert!(report.samples_expired > 0);
    }
    let fresh = fresh.reopened_with(options);
    assert!(named(&fresh.store, "load", 0, DAY)[0].timestamps[0] >= 21 * HOUR);
    let others = sql.replace("FROM rollups_5m", "FROM rollups_5m WHERE series_id < 40");
    assert_eq!(text(&fresh.store, &others), before);
}

#[test]
fn a_damaged_block_is_named_and_the_others_are_read() {
    let fresh = Fresh::new();
    put_day(&fresh.store, 0);
    let Fresh { store, path, folder } = fresh;
    store.close().unwrap();
    let raw = Connection::open(&path).unwrap();
    let table: String = raw
        .query_row("SELECT 'store.cold_' || segment_id FROM store.segments WHERE kind = 'cold'", [], |row| row.get(0))
        .unwrap();
    raw.execute_batch(&format!("UPDATE {table} SET checksum = checksum + 1 WHERE series_id = 3")).unwrap();
    raw.close().unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let pod = |pod: &str| store.select(&[Matcher::equal("pod", pod)], 0, DAY, usize::MAX);
    assert_eq!(pod("4").unwrap()[0].timestamps.len(), 1_440);
    let error = pod("3").unwrap_err();
    let error = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    assert!(error.contains("series 3: a block of samples is damaged: its checksum differs"), "{error}");
    // A compaction leaves what it cannot read as it is.
    let error = store.compact(at(3 * DAY), Compaction::All);
    assert!(matches!(error, Ok(_) | Err(StoreError::DamagedBlock { .. })), "{error:?}");
    assert_eq!(pod("4").unwrap()[0].timestamps.len(), 1_440);
    store.close().unwrap();
    drop(folder);
}

#[test]
fn a_deletion_within_blocks_leaves_the_rest() {
    let fresh = Fresh::new();
    put_day(&fresh.store, 0);
    let what = Deletion {
        matchers: vec![Matcher::equal("pod", "5")],
        from: Some(at(2 * HOUR + 30_000)),
        until: Some(at(3 * HOUR + 30_000)),
        dry_run: false,
    };
    let report = fresh.store.delete(&what).unwrap();
    assert_eq!((report.samples, report.series), (60, 1));
    let fresh = fresh.reopened();
    let left = fresh.store.select(&[Matcher::equal("pod", "5")], 0, DAY, usize::MAX).unwrap();
    assert_eq!(left[0].timestamps.len(), 1_380);
    assert!(left[0].timestamps.iter().all(|at| !(2 * HOUR + 30_000..=3 * HOUR + 30_000).contains(at)));
    let total: usize = all(&fresh.store).iter().map(|series| series.timestamps.len()).sum();
    assert_eq!(total, 40 * 1_440 - 60);
    let sums = "SELECT (sum(count) - (SELECT count(*) FROM samples))::BIGINT FROM";
    assert_eq!(numbers(&fresh.store, &format!("{sums} rollups_5m")), [0]);
    assert_eq!(numbers(&fresh.store, &format!("{sums} rollups_1h")), [0]);
    let mean = fresh.store.analyst_sql("SELECT avg(value) FROM samples", &[], SqlLimits::default()).unwrap();
    assert!(mean.batches[0].column(0).as_primitive::<Float64Type>().value(0) > 0.0);
}

/// Blocks that a read has used stay in memory; the next read must see what has changed since.
#[test]
fn blocks_that_were_read_follow_every_change() {
    let fresh = Fresh::new();
    (0..2).for_each(|day| put_day(&fresh.store, day));
    // Memory has no compacted samples after an opening.
    let fresh = fresh.reopened();
    let pod = [Matcher::equal("pod", "7")];
    let read = |from: i64, until: i64| {
        let samples = fresh.store.select(&pod, from, until, usize::MAX).unwrap();
        samples.into_iter().flat_map(|series| series.timestamps.into_iter().zip(series.values)).collect::<Vec<_>>()
    };
    let value = |when: i64| 7_000.0 + (when % 977) as f64;
    let mut expected: Vec<(i64, f64)> =
        (0..2 * 1_440).map(|minute| (minute * 60_000, value(minute * 60_000))).collect();
    let check = |expected: &[(i64, f64)], step: &str| {
        for (from, until) in [(3 * HOUR, 5 * HOUR), (4 * HOUR, 30 * HOUR), (0, 2 * DAY), (3 * HOUR, 5 * HOUR)] {
            let within: Vec<_> = expected.iter().copied().filter(|(when, _)| (from..=until).contains(when)).collect();
            for _ in 0..2 {
                assert_eq!(read(from, until), within, "{step}: {from} to {until}");
            }
        }
    };
    assert_eq!(fresh.store.stats().block_cache_bytes, 0);
    check(&expected, "opened");
    assert!(fresh.store.stats().block_cache_bytes > 0);
    let delete = |from: i64, until: i64| {
        let what = Deletion { matchers: pod.to_vec(), from: Some(at(from)), until: Some(at(until)), dry_run: false };
        fresh.store.delete(&what).unwrap();
    };
    delete(4 * HOUR, 4 * HOUR + 600_000);
    expected.retain(|(when, _)| !(4 * HOUR..=4 * HOUR + 600_000).contains(when));
    check(&expected, "a part of a block is deleted");
    put(&fresh.store, &[(&labels(&[("__name__", "load"), ("pod", "7")]), 4 * HOUR + 1, 5.0)]);
    expected.push((4 * HOUR + 1, 5.0));
    expected.sort_by_key(|sample| sample.0);
    check(&expected, "a late sample");
    fresh.store.compact(at(3 * DAY), Compaction::All).unwrap();
    check(&expected, "compacted");
    delete(0, 29 * HOUR);
    expected.retain(|(when, _)| *when > 29 * HOUR);
    check(&expected, "whole blocks are deleted");
}

/// A read that ends early must not keep its transaction, which would prevent checkpoints.
#[test]
fn a_read_over_the_limit_prevents_no_checkpoint() {
    let fresh = Fresh::new();
    put_day(&fresh.store, 0);
    assert!(fresh.store.select(&[], 0, 12 * HOUR, 2_000).is_err());
    put(&fresh.store, &[(&labels(&[("__name__", "up")]), DAY, 1.0)]);
    fresh.store.compact(at(3 * DAY), Compaction::All).unwrap();
    assert_eq!(fresh.store.stats().wal_bytes, 0);
}

#[test]
fn a_check_names_what_is_damaged() {
    let fresh = Fresh::new();
    put_day(&fresh.store, 0);
    put(&fresh.store, &[(&labels(&[("__name__", "up")]), 5, 1.0)]);
    let report = fresh.store.check(|done, total| assert!(done <= total)).unwrap();
    assert_eq!((report.samples, report.damaged.len()), (40 * 1_440 + 1, 0));
    assert!(report.blocks >= 40 && report.tables > 20);
    let Fresh { store, path, folder } = fresh;
    store.close().unwrap();
    let raw = Connection::open(&path).unwrap();
    let table: String = raw
        .query_row("SELECT 'store.cold_' || min(segment_id) FROM store.segments WHERE kind = 'cold'", [], |row| {
            row.get(0)
        })
        .unwrap();
    raw.execute_batch(&format!("UPDATE {table} SET series_id = 39 WHERE series_id = 3")).unwrap();
    raw.close().unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let report = store.check(|_, _| ()).unwrap();
    assert!(!report.damaged.is_empty());
    for damage in &report.damaged {
        assert_eq!(damage.what, r#"load{pod="39"}"#);
        assert!(damage.samples.is_some() && damage.reason.contains("checksum"), "{damage:?}");
    }
    // SQL names it too, and other series are read.
    let sql = |series: i64| {
        let text = format!("SELECT count(value) FROM samples WHERE series_id = {series}");
        store.analyst_sql(&text, &[], SqlLimits::default())
    };
    let error = sql(39).unwrap_err();
    let told = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(told.contains("series 39: a block of samples is damaged: its checksum differs"), "{told}");
    assert!(sql(4).is_ok());
    // The series can be deleted; then everything is sound.
    let matchers = vec![Matcher::equal("pod", "39")];
    store.delete(&Deletion { matchers, from: None, until: None, dry_run: false }).unwrap();
    assert_eq!(store.check(|_, _| ()).unwrap().damaged, []);
    store.close().unwrap();
    drop(folder);
}
