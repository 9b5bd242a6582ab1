//! Speed of the store without HTTP: acknowledged appends by batch size, and reads from memory and from cold segments.
#![expect(clippy::unwrap_used, reason = "a bench that cannot continue has failed")]

use std::hint::black_box;

use almanac_engine::{
    series::{Labels, Matcher, SampleSource, SeriesId},
    store::{Compaction, SampleBatch, Store, StoreOptions},
};
use almanac_models::Timestamp;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Number of series in the store.
const SERIES: usize = 4_000;

/// Opens an empty store and registers all series.
fn open(folder: &tempfile::TempDir) -> (Store, Vec<SeriesId>) {
    let store = Store::open(&folder.path().join("bench.duckdb"), StoreOptions::default()).unwrap();
    let ids = (0..SERIES)
        .map(|n| {
            let pairs = [("__name__", "bench".to_owned()), ("index", n.to_string()), ("path", format!("/{}", n % 8))];
            store.resolve(&Labels::from_pairs(pairs).unwrap()).unwrap()
        })
        .collect();
    (store, ids)
}

/// Returns a batch in rounds of one sample for each series, 10 s apart; `step` counts the rounds across batches.
fn batch(ids: &[SeriesId], samples: usize, step: &mut i64) -> SampleBatch {
    let mut batch = SampleBatch::with_capacity(samples);
    while batch.len() < samples {
        let nth = batch.len() % ids.len();
        if nth == 0 {
            *step += 1;
        }
        batch.push(ids[nth], *step * 10_000, f64::from(u32::try_from(nth).unwrap()));
    }
    batch
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append, committed");
    group.sample_size(10);
    for samples in [2_000, 20_000, 200_000] {
        let folder = tempfile::tempdir().unwrap();
        let (store, ids) = open(&folder);
        let mut step = 0;
        group.throughput(Throughput::Elements(samples as u64));
        group.bench_function(samples.to_string(), |bencher| {
            bencher.iter_batched(
                || batch(&ids, samples, &mut step),
                |batch| store.append(batch).unwrap().wait().unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (store, ids) = open(&folder);
    let mut step = 0;
    for _ in 0..4 {
        store.append(batch(&ids, SERIES * 90, &mut step)).unwrap().wait().unwrap();
    }
    let one = [Matcher::equal("index", "77")];
    let path = [Matcher::equal("path", "/3")];
    let mut group = criterion.benchmark_group("select");
    group.sample_size(10);
    for (state, memory) in [("memory", true), ("cold", false)] {
        // A compacted and reopened store reads from cold segments, as its cache of recent samples is empty.
        let store = if memory {
            store.clone()
        } else {
            store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
            store.clone().close().unwrap();
            let path = folder.path().join("bench.duckdb");
            Store::open(&path, StoreOptions::default()).unwrap()
        };
        for (name, matchers) in [("one series", &one), ("500 series", &path)] {
            group.bench_function(format!("{name}, {state}"), |bencher| {
                bencher.iter(|| black_box(store.select(matchers, i64::MIN, i64::MAX, usize::MAX).unwrap()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
