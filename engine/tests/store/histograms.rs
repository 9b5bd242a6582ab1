//! Native histograms: appended, read, repeated, deleted, expired, and seen by analysts.

use std::sync::Arc;

use almanac_engine::{
    histogram::{CUSTOM_SCHEMA, Histogram, ResetHint},
    series::{Labels, Matcher, SampleSource, SeriesHistograms},
    signal::{EvalLimits, Value, instant, parse},
    store::{Appended, Compaction, Deletion, HistogramSample, SampleBatch, Store, StoreOptions},
};
use almanac_models::Timestamp;
use arrow::util::pretty::pretty_format_batches;

use crate::support::{Fresh, labels, put};

fn latency() -> Labels {
    labels(&[("__name__", "latency_seconds"), ("job", "api")])
}

fn histogram(count: f64) -> Histogram {
    Histogram {
        schema: 1,
        count,
        sum: 2.0 * count,
        zero_threshold: 0.001,
        zero_count: 1.0,
        positive: vec![(0, count - 2.0), (3, 0.5)],
        negative: vec![(1, 0.5)],
        ..Histogram::default()
    }
}

fn append(store: &Store, labels: &Labels, histograms: &[(i64, Histogram)]) -> Appended {
    let series = store.resolve(labels).unwrap();
    let sample = |(timestamp_ms, histogram): &(i64, Histogram)| HistogramSample {
        series,
        timestamp_ms: *timestamp_ms,
        histogram: Arc::new(histogram.clone()),
    };
    let batch = SampleBatch { histograms: histograms.iter().map(sample).collect(), ..SampleBatch::default() };
    store.append(batch).unwrap().wait().unwrap()
}

fn read(store: &Store, start: i64, end: i64) -> Vec<SeriesHistograms> {
    store.select_histograms(&[Matcher::equal("job", "api")], start, end, usize::MAX).unwrap()
}

fn counts(store: &Store, start: i64, end: i64) -> Vec<(i64, f64)> {
    let all = read(store, start, end);
    all.iter().flat_map(|one| one.timestamps.iter().copied().zip(one.histograms.iter().map(|h| h.count))).collect()
}

#[test]
fn histograms_survive_a_restart_as_they_were_written() {
    let fresh = Fresh::new();
    let custom = Histogram {
        schema: CUSTOM_SCHEMA,
        count: 5.0,
        sum: f64::NAN,
        custom: vec![0.1, 1.0].into(),
        positive: vec![(0, 2.0), (2, 3.0)],
        hint: ResetHint::Gauge,
        ..Histogram::default()
    };
    let written = append(&fresh.store, &latency(), &[(1_000, histogram(10.0)), (2_000, custom.clone())]);
    assert_eq!((written.written, written.unchanged), (2, 0));
    let check = |store: &Store| {
        let found = read(store, 0, 10_000);
        assert_eq!((found.len(), found[0].labels.clone()), (1, latency()));
        assert_eq!(found[0].timestamps, [1_000, 2_000]);
        assert_eq!(*found[0].histograms[0], histogram(10.0));
        let last = &found[0].histograms[1];
        assert!(last.sum.is_nan());
        assert_eq!(Histogram { sum: 0.0, ..Histogram::clone(last) }, Histogram { sum: 0.0, ..custom.clone() });
        // Sources of floats have nothing of them.
        assert!(store.select(&[], i64::MIN, i64::MAX, usize::MAX).unwrap().is_empty());
        assert_eq!(store.series(&[], 0, 10_000).unwrap(), [latency()]);
        assert_eq!(store.series(&[], 3_000, 10_000).unwrap(), []);
        assert_eq!((store.oldest(), store.newest()), (Some(at(1_000)), Some(at(2_000))));
        assert_eq!(store.newest_until(at(5_000)).unwrap(), Some(at(2_000)));
        assert_eq!(store.stats().histograms, 2);
    };
    check(&fresh.store);
    let fresh = fresh.reopened();
    check(&fresh.store);
    let fresh = fresh.reopened();
    fresh.store.compact(at(10_000), Compaction::All).unwrap();
    check(&fresh.store);
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn of_repeated_timestamps_the_last_write_counts() {
    let fresh = Fresh::new();
    let store = &fresh.store;
    append(store, &latency(), &[(1_000, histogram(10.0)), (2_000, histogram(20.0))]);
    let again = append(store, &latency(), &[(2_000, histogram(20.0))]);
    assert_eq!((again.written, again.unchanged), (0, 1));
    append(store, &latency(), &[(1_000, histogram(11.0)), (1_500, histogram(15.0))]);
    assert_eq!(counts(store, 0, 10_000), [(1_000, 11.0), (1_500, 15.0), (2_000, 20.0)]);
    assert_eq!(counts(store, 1_001, 1_999), [(1_500, 15.0)]);
    let fresh = fresh.reopened();
    append(&fresh.store, &latency(), &[(1_500, histogram(16.0))]);
    assert_eq!(counts(&fresh.store, 0, 10_000), [(1_000, 11.0), (1_500, 16.0), (2_000, 20.0)]);
    let sql = "SELECT count FROM histograms ORDER BY timestamp";
    let answer = fresh.store.analyst_sql(sql, &[], Default::default()).unwrap();
    let rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, 3);
}

#[test]
fn histograms_without_a_reset_are_noted_when_they_are_stored() {
    let fresh = Fresh::new();
    append(&fresh.store, &latency(), &[(1, histogram(10.0)), (2, histogram(12.0)), (3, histogram(4.0))]);
    let found = read(&fresh.store, 0, 10);
    let hints: Vec<ResetHint> = found[0].histograms.iter().map(|histogram| histogram.hint).collect();
    assert_eq!(hints, [ResetHint::Unknown, ResetHint::NotReset, ResetHint::Unknown]);
}

#[test]
fn more_histograms_than_the_limit_are_an_error() {
    let fresh = Fresh::new();
    let many: Vec<(i64, Histogram)> = (0..100).map(|n| (n, histogram(10.0 + n as f64))).collect();
    append(&fresh.store, &latency(), &many);
    let all = [Matcher::equal("job", "api")];
    assert!(fresh.store.select_histograms(&all, 0, 1_000, 100).is_err());
    assert_eq!(fresh.store.select_histograms(&all, 0, 4, 200).unwrap()[0].timestamps.len(), 5);
}

#[test]
fn deleted_histograms_are_gone_and_may_be_written_again() {
    let fresh = Fresh::new();
    let other = labels(&[("__name__", "latency_seconds"), ("job", "web")]);
    append(&fresh.store, &latency(), &[(1_000, histogram(10.0)), (2_000, histogram(20.0))]);
    append(&fresh.store, &other, &[(1_000, histogram(10.0))]);
    put(&fresh.store, &[(&labels(&[("__name__", "up"), ("job", "api")]), 1_000, 1.0)]);
    let delete = |from, until, dry_run| {
        let matchers = vec![Matcher::equal("job", "api")];
        let what = Deletion { matchers, from: Some(at(from)), until: Some(at(until)), dry_run };
        let report = fresh.store.delete(&what).unwrap();
        (report.samples, report.series, report.series_emptied)
    };
    assert_eq!(delete(0, 1_500, true), (2, 2, 0));
    assert_eq!(delete(0, 1_500, false), (2, 2, 1));
    assert_eq!(counts(&fresh.store, 0, 10_000), [(2_000, 20.0)]);
    assert_eq!(delete(0, 5_000, false), (1, 1, 1));
    assert_eq!(fresh.store.series(&[], 0, 10_000).unwrap(), [other]);
    append(&fresh.store, &latency(), &[(1_200, histogram(12.0))]);
    let fresh = fresh.reopened();
    assert_eq!(counts(&fresh.store, 0, 10_000), [(1_200, 12.0)]);
}

#[test]
fn retention_deletes_old_histograms() {
    const DAY: i64 = 86_400_000;
    let options = StoreOptions { retention_raw_ms: Some(10 * DAY), drop_share_max: 0.5, ..StoreOptions::default() };
    let fresh = Fresh::with(options);
    let daily: Vec<(i64, Histogram)> = (0..20).map(|day| (day * DAY, histogram(10.0 + day as f64))).collect();
    append(&fresh.store, &latency(), &daily);
    fresh.store.compact(at(20 * DAY), Compaction::All).unwrap();
    // The age counts from the newest histogram, which is a day older than the clock.
    assert_eq!(counts(&fresh.store, 0, i64::MAX).first(), Some(&(9 * DAY, 19.0)));
    assert_eq!(fresh.store.oldest(), Some(at(9 * DAY)));
}

#[test]
fn analysts_see_buckets_with_their_bounds() {
    let fresh = Fresh::new();
    let custom = Histogram {
        schema: CUSTOM_SCHEMA,
        count: 5.0,
        sum: 7.0,
        custom: vec![0.5, 1.0].into(),
        positive: vec![(0, 2.0), (2, 3.0)],
        ..Histogram::default()
    };
    append(&fresh.store, &latency(), &[(1_000, histogram(10.0)), (2_000, custom)]);
    let sql = "WITH flat AS (SELECT timestamp, unnest(buckets) AS b FROM histograms)
               SELECT timestamp, b.lower, b.upper, b.count FROM flat ORDER BY timestamp, b.lower";
    let answer = fresh.store.analyst_sql(sql, &[], Default::default()).unwrap();
    let found = pretty_format_batches(&answer.batches).unwrap().to_string();
    let rows: Vec<Vec<String>> = found
        .lines()
        .filter(|line| line.starts_with("| 1970"))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let buckets: Vec<[f64; 3]> = rows.iter().map(|row| [number(&row[1]), number(&row[2]), number(&row[3])]).collect();
    let root = 2_f64.sqrt();
    let expected = [
        [-root, -1.0, 0.5],
        [-0.001, 0.001, 1.0],
        [1.0 / root, 1.0, 8.0],
        [2.0, 2.0 * root, 0.5],
        [f64::NEG_INFINITY, 0.5, 2.0],
        [1.0, f64::INFINITY, 3.0],
    ];
    assert_eq!(buckets.len(), expected.len(), "{found}");
    for (found, expected) in buckets.iter().flatten().zip(expected.iter().flatten()) {
        let same = found.to_bits() == expected.to_bits() || (found - expected).abs() < 1e-9;
        assert!(same, "{found} {expected}: {buckets:?}");
    }
}

#[test]
fn extended_ranges_show_histograms_at_their_ends() {
    let fresh = Fresh::new();
    append(&fresh.store, &latency(), &[(60_000, histogram(10.0)), (120_000, histogram(12.0))]);
    let check = |expr: &str, at_ms: i64, expected: &[(i64, f64)]| {
        let found = instant(&fresh.store, &parse(expr).unwrap(), at_ms, &EvalLimits::default()).unwrap();
        let Value::Matrix(found) = found else { panic!("{expr}: {found:?}") };
        let counts: Vec<(i64, f64)> = found[0].histograms.iter().map(|(at, one)| (*at, one.count)).collect();
        assert_eq!((found.len(), counts, found[0].values.len()), (1, expected.to_vec(), 0), "{expr}");
    };
    check("latency_seconds[1m] anchored", 120_000, &[(60_000, 10.0), (120_000, 12.0)]);
    // The end is halfway between the two.
    check("latency_seconds[1m] smoothed", 90_000, &[(30_000, 10.0), (60_000, 10.0), (90_000, 11.0)]);
}
