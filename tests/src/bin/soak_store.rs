//! `make soak-store`: a randomised consistency test of the store. It appends, compacts, checkpoints and reopens at random for
//! some minutes and compares the store with a map in memory each time.
//!
//! `soak-store [--minutes M] [--seed S]` (defaults 10 and 1). The values cover the kinds that DuckDB compresses
//! differently, because a fault of its bit-packing at a checkpoint (issue 22823) is open.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use almanac_engine::{
    series::{Labels, METRIC_NAME, Matcher, SampleSource, stale_marker},
    store::{Compaction, SampleBatch, Store, StoreOptions},
};
use almanac_models::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Samples after which a new store is created: the map must fit into memory.
const SAMPLES_MAX: usize = 6_000_000;
/// Number of series of a store.
const SERIES: usize = 300;

/// Expected samples by series. Values are bits, so that stale markers (NaN) compare as equal.
type Model = Vec<BTreeMap<i64, u64>>;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut minutes, mut seed) = (10.0_f64, 1_u64);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--minutes" => minutes = value.parse()?,
            "--seed" => seed = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let end = Instant::now() + Duration::try_from_secs_f64(minutes * 60.0)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut totals = Totals::default();
    while Instant::now() < end {
        one_store(&mut rng, end, &mut totals)?;
    }
    eprintln!("seed {seed}, {minutes} minutes, {totals:?}: every sample is as written");
    Ok(())
}

#[derive(Debug, Default)]
struct Totals {
    stores: u64,
    samples: u64,
    compactions: u64,
    reopened: u64,
}

fn one_store(rng: &mut ChaCha8Rng, end: Instant, totals: &mut Totals) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("soak.duckdb");
    // Little memory for recent samples, so that most reads come from segments.
    let options = StoreOptions { recent_bytes: 1 << 20, hot_rows: 400_000, ..StoreOptions::default() };
    let mut store = Store::open(&path, options.clone())?;
    let mut model: Model = vec![BTreeMap::new(); SERIES];
    let mut now_ms = 1_790_000_000_000_i64;
    totals.stores += 1;
    while Instant::now() < end && model.iter().map(BTreeMap::len).sum::<usize>() < SAMPLES_MAX {
        for _ in 0..rng.random_range(1..12) {
            totals.samples += append(&store, rng, &mut model, &mut now_ms)?;
        }
        let what = if rng.random_bool(0.5) { Compaction::All } else { Compaction::Due };
        now_ms += rng.random_range(0..10_000_000);
        store.compact(Timestamp::from_millis(now_ms), what)?;
        totals.compactions += 1;
        if rng.random_bool(0.3) {
            store = reopened(store, &path, &options)?;
            totals.reopened += 1;
        }
        compare(&store, &model, rng)?;
    }
    Ok(store.close()?)
}

fn reopened(store: Store, path: &Path, options: &StoreOptions) -> Result<Store, Box<dyn Error>> {
    store.close()?;
    Ok(Store::open(path, options.clone())?)
}

/// Appends a batch with one kind of timestamps and one kind of values, to the store and to the model.
fn append(store: &Store, rng: &mut ChaCha8Rng, model: &mut Model, now_ms: &mut i64) -> Result<u64, Box<dyn Error>> {
    let (first, count) = (rng.random_range(0..SERIES), rng.random_range(1..SERIES));
    let steps = rng.random_range(1..600);
    let step_ms = [1, 1_000, 10_000, 60_000][rng.random_range(0..4)];
    // Mostly in order; sometimes late, sometimes far from the present.
    let start_ms = match rng.random_range(0..20) {
        0 => rng.random_range(-9_000_000_000_000_000..9_000_000_000_000_000),
        1..5 => *now_ms - rng.random_range(0..100_000_000),
        _ => *now_ms,
    };
    let kind = rng.random_range(0..8);
    let mut batch = SampleBatch::default();
    for step in 0..steps {
        let at_ms = start_ms + step * step_ms;
        for series in (first..first + count).map(|series| series % SERIES) {
            let value = value(kind, rng, step, series);
            batch.push(store.resolve(&labels(series)?)?, at_ms, value);
            model[series].insert(at_ms, value.to_bits());
        }
    }
    *now_ms = (*now_ms).max(start_ms.min(2_000_000_000_000) + steps * step_ms);
    let done = store.append(batch)?.wait()?;
    Ok(done.written)
}

#[expect(clippy::cast_precision_loss, reason = "any number is valid")]
fn value(kind: u32, rng: &mut ChaCha8Rng, step: i64, series: usize) -> f64 {
    match kind {
        0 => 0.0,
        1 => (step * 17 + series as i64 * 1_000_003) as f64,
        2 => (rng.random_range(0..1_000_000) as f64) / 100.0,
        3 => rng.random::<f64>(),
        4 => rng.random_range(i64::MIN..i64::MAX) as f64,
        5 => [f64::MAX, f64::MIN_POSITIVE, -0.0, f64::INFINITY, f64::NEG_INFINITY][rng.random_range(0..5)],
        6 if step % 7 == 0 => stale_marker(),
        6 => step as f64,
        _ => stale_marker(),
    }
}

fn labels(series: usize) -> Result<Labels, Box<dyn Error>> {
    Ok(Labels::from_pairs([(METRIC_NAME, "soak"), ("series", &series.to_string())])?)
}

/// Compares one random series with the model, or all series with a probability of 0.1.
fn compare(store: &Store, model: &Model, rng: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let mut matchers = vec![Matcher::equal(METRIC_NAME, "soak")];
    let one = rng.random_range(0..SERIES);
    let whole = rng.random_bool(0.1);
    if !whole {
        matchers.push(Matcher::equal("series", one.to_string()));
    }
    let found = store.select(&matchers, i64::MIN, i64::MAX, usize::MAX)?;
    let expected =
        model.iter().enumerate().filter(|(series, samples)| (whole || *series == one) && !samples.is_empty());
    if found.len() != expected.clone().count() {
        return Err(format!("got {} series, expected {}", found.len(), expected.count()).into());
    }
    for series in found {
        let number: usize = series.labels.get("series").unwrap_or_default().parse()?;
        let same = series.timestamps.len() == model[number].len()
            && series.timestamps.iter().zip(&series.values).zip(&model[number]).all(
                |((at, value), (model_at, bits))| {
                    // The store does not distinguish -0.0 from 0.0.
                    at == model_at && (value.to_bits() == *bits || (*value == 0.0 && f64::from_bits(*bits) == 0.0))
                },
            );
        if !same {
            return Err(format!("series {number} differs from what was written").into());
        }
    }
    Ok(())
}
