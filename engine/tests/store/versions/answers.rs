//! A store that an earlier release wrote gives the answers that this release gave: sixty queries over cold, hot and late
//! segments with stale markers, NaN, repeated and deleted samples, counters that restart and native histograms.

use std::{fs, path::Path};

use almanac_engine::{
    signal::{EvalLimits, parse, range},
    store::{Compaction, Store, StoreOptions},
};
use almanac_models::Timestamp;

use super::unpacked;

/// Start of the samples, 2026-01-01T00:00:00Z, and their end two and a half days later.
const START_MS: i64 = 1_767_225_600_000;
const END_MS: i64 = START_MS + 216_000_000;

/// Returns the queries.
fn queries() -> Vec<String> {
    let mut all = Vec::new();
    for metric in ["requests_total{job=\"api\"}", "temperature", "memory_bytes{host=~\"a|c\"}", "up"] {
        all.push(metric.to_owned());
        for of in [
            "rate",
            "increase",
            "avg_over_time",
            "max_over_time",
            "count_over_time",
            "last_over_time",
            "stddev_over_time",
        ] {
            all.push(format!("{of}({metric}[15m])"));
        }
        all.push(format!("sum by (job) ({metric})"));
        all.push(format!("topk(1, {metric} offset 6h)"));
        all.push(format!("absent_over_time({metric}[5m])"));
        all.push(format!("max_over_time({metric}[2d])"));
    }
    for other in [
        "sum(rate(requests_total[5m])) / count(up)",
        "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[10m])))",
        "histogram_quantile(0.5, rate(size_bytes[20m]))",
        "histogram_count(size_bytes)",
        "requests_total unless on (job) up == 0",
        "changes(up[6h])",
        "resets(requests_total[6h])",
        "quantile_over_time(0.95, temperature[1h])",
        "predict_linear(temperature[2h], 3600)",
        "count({__name__=~\".+\"})",
        "sum_over_time(requests_total[1d:1h])",
        "deriv(memory_bytes[30m])",
    ] {
        all.push(other.to_owned());
    }
    all
}

/// Evaluates the queries each half hour, and writes each series of an answer as a line: its steps, and sums of its values
/// that depend on their order.
fn answers(store: &Store) -> String {
    let mut text = String::new();
    for query in queries() {
        text.push_str(&format!("{query}\n"));
        let found = range(store, &parse(&query).unwrap(), START_MS, END_MS, 1_800_000, &EvalLimits::default()).unwrap();
        for series in found {
            let (mut sum, mut weighted) = (0.0, 0.0);
            for (place, value) in (1..).zip(&series.values).filter(|(_, value)| value.is_finite()) {
                sum += value;
                weighted += value * f64::from(place);
            }
            let others = series.values.iter().filter(|value| !value.is_finite()).count();
            let first = series.timestamps.first().map_or(0, |at| (at - START_MS) / 1_000);
            text.push_str(&format!(
                "  {} {} steps from {first} s, {others} not finite, {} histograms: {sum:.9e} {weighted:.9e}\n",
                series.labels,
                series.values.len(),
                series.histograms.len(),
            ));
        }
    }
    text
}

/// The fixture was written by the release before schema version 8: three compactions, each followed by late and repeated samples,
/// a deletion, and samples after the last compaction. Its answers were written by the same release.
#[test]
fn a_store_of_schema_version_7_answers_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v7.duckdb", folder.path());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let expected = fs::read_to_string(fixtures.join("store_v7_answers.txt")).unwrap();
    assert!(queries().len() >= 60 && expected.lines().count() > 120);
    let check = |store: &Store, when: &str| {
        let found = answers(store);
        let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{when}: {first:?}");
    };
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    check(&store, "opened");
    store.compact(Timestamp::from_millis(END_MS), Compaction::All).unwrap();
    check(&store, "compacted");
    store.close().unwrap();
    check(&Store::open(&path, StoreOptions::default()).unwrap(), "opened again");
}
