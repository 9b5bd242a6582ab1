use std::collections::BTreeMap;

use almanac_engine::{
    series::{Labels, Matcher, SampleSource, is_stale, stale_marker},
    store::{Compaction, SampleBatch, Store, StoreOptions},
};
use almanac_models::Timestamp;
use proptest::prelude::*;

use crate::support::{Fresh, labels};

#[derive(Debug, Clone)]
enum Op {
    /// Samples as (series, timestamp, value); value 0 stands for the stale marker.
    Append(Vec<(u8, i64, u8)>),
    Compact(bool, i64),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let sample =
        (0..4_u8, prop_oneof![-40..40_i64, Just(-9_000_000_000_000_000), Just(9_000_000_000_000_000)], 0..4_u8);
    prop_oneof![
        6 => proptest::collection::vec(sample, 1..30).prop_map(Op::Append),
        2 => (any::<bool>(), 0..20_000_000_i64).prop_map(|(all, now)| Op::Compact(all, now)),
        1 => Just(Op::Reopen),
    ]
}

fn name(series: u8) -> Labels {
    labels(&[("__name__", "m"), ("n", &series.to_string())])
}

fn value(code: u8) -> f64 {
    if code == 0 { stale_marker() } else { f64::from(code) }
}

type Model = BTreeMap<u8, BTreeMap<i64, u8>>;

/// The store's answer for a span must be the model's.
fn check(store: &Store, model: &Model, start: i64, end: i64) {
    let found: Model = store
        .select(&[Matcher::equal("__name__", "m")], start, end, usize::MAX)
        .unwrap()
        .into_iter()
        .map(|series| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the values are 1 to 3")]
            let code = |value: f64| if is_stale(value) { 0 } else { value as u8 };
            assert!(series.timestamps.is_sorted_by(|a, b| a < b), "{:?}", series.timestamps);
            let samples = series.timestamps.iter().copied().zip(series.values.into_iter().map(code)).collect();
            (series.labels.get("n").unwrap().parse().unwrap(), samples)
        })
        .collect();
    let expected: Model = model
        .iter()
        .map(|(&series, samples)| (series, samples.range(start..=end).map(|(&t, &v)| (t, v)).collect()))
        .filter(|(_, samples): &(u8, BTreeMap<i64, u8>)| !samples.is_empty())
        .collect();
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// Any order of appends, compactions and reopenings gives the map in which the last write wins.
    #[test]
    fn any_history_gives_the_last_writes(ops in proptest::collection::vec(op(), 1..14), recent in 0..200_usize) {
        // Little memory, so that much has to come from disk.
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
                Op::Reopen => fresh = fresh.reopened_with(options.clone()),
            }
            check(&fresh.store, &model, i64::MIN, i64::MAX);
            check(&fresh.store, &model, -10, 5);
        }
    }
}
