//! Randomised consistency test against a simple model of the store.

use std::collections::BTreeMap;

use almanac_engine::{
    series::{Labels, Matcher, SampleSource, SeriesSamples, is_stale, stale_marker},
    store::{Compaction, Deletion, SampleBatch, SqlLimits, Store, StoreOptions},
};
use almanac_models::Timestamp;
use proptest::prelude::*;

use crate::support::{Fresh, labels};

#[derive(Debug, Clone)]
enum Op {
    /// Samples as (series, timestamp, value); value 0 means the stale marker.
    Append(Vec<(u8, i64, u8)>),
    Compact(bool, i64),
    /// Deletes samples of one series, or of all, within a span that may be open.
    Delete(Option<u8>, Option<i64>, Option<i64>),
    Reopen,
    /// Reads spans, each twice, so that the second may need no statement.
    Read(Vec<(i64, i64)>),
    /// Loads samples of compacted segments into memory: the time, and an age.
    Load(i64, i64),
}

fn op() -> impl Strategy<Value = Op> {
    let sample =
        (0..4_u8, prop_oneof![-40..40_i64, Just(-9_000_000_000_000_000), Just(9_000_000_000_000_000)], 0..4_u8);
    prop_oneof![
        6 => proptest::collection::vec(sample, 1..30).prop_map(Op::Append),
        2 => (any::<bool>(), 0..20_000_000_i64).prop_map(|(all, now)| Op::Compact(all, now)),
        2 => (proptest::option::weighted(0.8, 0..4_u8), proptest::option::of(-40..40_i64), proptest::option::of(-40..40_i64))
            .prop_map(|(series, from, until)| Op::Delete(series, from, until)),
        2 => Just(Op::Reopen),
        3 => proptest::collection::vec((-45..45_i64, 0..60_i64), 1..5)
            .prop_map(|spans| Op::Read(spans.into_iter().map(|(start, length)| (start, start + length)).collect())),
        2 => (-45..60_i64, prop_oneof![0..50_i64, Just(i64::MAX)]).prop_map(|(now, age)| Op::Load(now, age)),
    ]
}

fn name(series: u8) -> Labels {
    labels(&[("__name__", "m"), ("n", &series.to_string())])
}

fn value(code: u8) -> f64 {
    if code == 0 { stale_marker() } else { f64::from(code) }
}

type Model = BTreeMap<u8, BTreeMap<i64, u8>>;

/// Checks that the store returns the model's samples of a span, and the newest one of each series.
fn check(store: &Store, model: &Model, start: i64, end: i64) {
    let matchers = [Matcher::equal("__name__", "m")];
    let found = coded(store.select(&matchers, start, end, usize::MAX).unwrap());
    let mut expected: Model = model
        .iter()
        .map(|(&series, samples)| (series, samples.range(start..=end).map(|(&t, &v)| (t, v)).collect()))
        .filter(|(_, samples): &(u8, BTreeMap<i64, u8>)| !samples.is_empty())
        .collect();
    assert_eq!(found, expected);
    let newest = coded(store.select_newest(&matchers, start, end, usize::MAX).unwrap());
    expected.values_mut().for_each(|samples| *samples = samples.pop_last().into_iter().collect());
    assert_eq!(newest, expected);
}

/// Returns samples of the store as the model has them.
fn coded(found: Vec<SeriesSamples>) -> Model {
    found
        .into_iter()
        .map(|series| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the values are 1 to 3")]
            let code = |value: f64| if is_stale(value) { 0 } else { value as u8 };
            assert!(series.timestamps.is_sorted_by(|a, b| a < b), "{:?}", series.timestamps);
            let samples = series.timestamps.iter().copied().zip(series.values.into_iter().map(code)).collect();
            (series.labels.get("n").unwrap().parse().unwrap(), samples)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// After any order of appends, compactions, deletions and restarts the store contains the last write of each
    /// sample.
    #[test]
    fn any_history_gives_the_last_writes(ops in proptest::collection::vec(op(), 1..14), recent in prop_oneof![0..200_usize, Just(1_000_000)]) {
        // Memory for few samples, so that most reads use the disk; or for all, and for blocks that were read.
        let options = StoreOptions { recent_bytes: recent * 16, hot_rows: 20, ..StoreOptions::default() };
        let mut fresh = Fresh::with(options.clone());
        let mut model = Model::new();
        for op in ops {
            match op {
                Op::Append(samples) => {
                    let mut batch = SampleBatch::default();
                    for &(series, timestamp, code) in &samples {
                        batch.push(fresh.store.resolve(&name(series)).unwrap(), timestamp, value(code));
                        model.entry(series).or_default().insert(timestamp, code);
                    }
                    let done = fresh.store.append(batch).unwrap().wait().unwrap();
                    prop_assert_eq!(done.written + done.unchanged, samples.len() as u64);
                }
                Op::Compact(all, now) => {
                    let what = if all { Compaction::All } else { Compaction::Due };
                    fresh.store.compact(Timestamp::from_millis(now), what).unwrap();
                    if all {
                        let stats = fresh.store.stats();
                        let expected: usize = model.values().map(BTreeMap::len).sum();
                        prop_assert_eq!(stats.samples_cold, expected as u64);
                        prop_assert_eq!(stats.samples_hot + stats.samples_late, 0);
                    }
                }
                Op::Delete(series, from, until) => {
                    let mut matchers = vec![Matcher::equal("__name__", "m")];
                    matchers.extend(series.map(|series| Matcher::equal("n", series.to_string())));
                    let [from_at, until_at] = [from, until].map(|at| at.map(Timestamp::from_millis));
                    let what = Deletion { matchers, from: from_at, until: until_at, dry_run: false };
                    let report = fresh.store.delete(&what).unwrap();
                    let mut deleted = 0;
                    for (_, samples) in model.iter_mut().filter(|(n, _)| series.is_none_or(|series| series == **n)) {
                        let before = samples.len();
                        samples.retain(|&t, _| from.is_some_and(|from| t < from) || until.is_some_and(|until| t > until));
                        deleted += before - samples.len();
                    }
                    prop_assert_eq!(report.samples, deleted as u64);
                }
                Op::Reopen => fresh = fresh.reopened_with(options.clone()),
                Op::Read(spans) => {
                    for (start, end) in spans {
                        check(&fresh.store, &model, start, end);
                        check(&fresh.store, &model, start, end);
                    }
                }
                Op::Load(now, age) => fresh.store.load_older(Timestamp::from_millis(now), age),
            }
            check(&fresh.store, &model, i64::MIN, i64::MAX);
            check(&fresh.store, &model, -10, 5);
            let stats = fresh.store.stats();
            if stats.samples_hot + stats.samples_late == 0 {
                // After full compaction the rollups count every sample but the stale markers.
                let values: usize = model.values().flat_map(BTreeMap::values).filter(|&&code| code != 0).count();
                for table in ["rollups_5m", "rollups_1h"] {
                    let sql = format!("SELECT coalesce(sum(count), 0)::UBIGINT FROM {table}");
                    let answer = fresh.store.analyst_sql(&sql, &[], SqlLimits::default()).unwrap();
                    let counted = arrow::util::display::array_value_to_string(answer.batches[0].column(0), 0).unwrap();
                    prop_assert_eq!(counted, values.to_string(), "{}", table);
                }
            }
        }
    }
}
