//! Appends and reads: order, late samples, rejected batches, the queue, labels.

use std::sync::atomic::{AtomicBool, Ordering};

use almanac_engine::{
    series::{MatchOp, Matcher, SampleSource, SourceError, is_stale, stale_marker},
    store::{Appended, Compaction, SampleBatch, Store, StoreError, StoreOptions},
};
use almanac_models::Timestamp;

use crate::support::{Fresh, all, labels, named, put};

#[test]
fn acknowledged_samples_survive_reopening() {
    let mut fresh = Fresh::new();
    let (up, down) = (labels(&[("__name__", "up"), ("job", "a\"b")]), labels(&[("__name__", "down")]));
    let samples = [(&up, 1_000, 1.0), (&down, -5, f64::INFINITY), (&up, 2_000, stale_marker()), (&up, 3_000, f64::NAN)];
    assert_eq!(put(&fresh.store, &samples), Appended { written: 4, unchanged: 0 });
    for _ in 0..3 {
        let found = all(&fresh.store);
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0].labels, &found[1].labels), (&down, &up));
        assert_eq!(found[0].timestamps, [-5]);
        assert_eq!(found[1].timestamps, [1_000, 2_000, 3_000]);
        assert!(is_stale(found[1].values[1]) && found[1].values[2].is_nan() && !is_stale(found[1].values[2]));
        assert_eq!(put(&fresh.store, &samples), Appended { written: 0, unchanged: 4 });
        fresh = fresh.reopened();
    }
}

#[test]
fn the_last_write_wins_also_when_it_comes_late() {
    let mut fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 10, 1.0), (&up, 20, 2.0)]);
    put(&fresh.store, &[(&up, 15, 7.0), (&up, 20, 3.0), (&up, 15, 8.0)]);
    for _ in 0..2 {
        let found = named(&fresh.store, "up", 0, 100);
        assert_eq!(
            (found[0].timestamps.as_slice(), found[0].values.as_slice()),
            ([10, 15, 20].as_slice(), [1.0, 8.0, 3.0].as_slice())
        );
        assert_eq!(named(&fresh.store, "up", 11, 15)[0].values, [8.0]);
        assert!(named(&fresh.store, "up", 11, 14).is_empty());
        fresh = fresh.reopened();
    }
}

#[test]
fn invalid_batches_are_rejected_as_a_whole() {
    let fresh = Fresh::with(StoreOptions { max_series: 1, ..StoreOptions::default() });
    let id = fresh.store.resolve(&labels(&[("__name__", "up")])).unwrap();
    let check = |batch: SampleBatch, message: &str| {
        assert_eq!(fresh.store.append(batch).unwrap_err().to_string(), message);
    };
    check(
        SampleBatch { series: vec![id], timestamps: vec![1, 2], values: vec![], histograms: Vec::new() },
        "the columns of a batch differ in length: 1 series, 2 timestamps, 0 values",
    );
    check(
        SampleBatch {
            series: vec![almanac_engine::series::SeriesId::new(7)],
            timestamps: vec![1],
            values: vec![1.0],
            histograms: Vec::new(),
        },
        "this store has no series number 7",
    );
    check(
        SampleBatch {
            series: vec![id, id],
            timestamps: vec![1, i64::MAX],
            values: vec![1.0, 2.0],
            histograms: Vec::new(),
        },
        "timestamp 9223372036854775807 ms is outside the store's range",
    );
    let refused = fresh.store.resolve(&labels(&[("__name__", "down")])).unwrap_err();
    assert_eq!(refused.to_string(), "the store has reached its limit of 1 series; new series are rejected");
    assert!(all(&fresh.store).is_empty());
    let stats = fresh.store.stats();
    assert_eq!((stats.series, stats.series_refused, stats.samples_hot), (1, 1, 0));
}

#[test]
fn a_full_queue_returns_busy_and_recovers() {
    let fresh = Fresh::with(StoreOptions { queue_bytes: 1_000, ..StoreOptions::default() });
    let id = fresh.store.resolve(&labels(&[("__name__", "up")])).unwrap();
    let (mut busy, mut receipts) = (0_u32, Vec::new());
    for round in 0..2_000_i64 {
        let mut batch = SampleBatch::with_capacity(10);
        for t in 0..10 {
            batch.push(id, round * 10 + t, 1.0);
        }
        match fresh.store.append(batch) {
            Ok(receipt) => receipts.push(receipt),
            Err(StoreError::Busy { retry_after }) => {
                assert!(!retry_after.is_zero());
                busy += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let written: u64 = receipts.into_iter().map(|receipt| receipt.wait().unwrap().written).sum();
    assert!(busy > 0);
    assert_eq!(written, u64::from(2_000 - busy) * 10);
    assert_eq!(all(&fresh.store)[0].timestamps.len() as u64, written);
    assert_eq!(fresh.store.stats().busy, u64::from(busy));
}

#[test]
fn labels_are_listed_by_selector_and_span() {
    let fresh = Fresh::new();
    let (a, b) = (labels(&[("__name__", "up"), ("job", "a")]), labels(&[("__name__", "up"), ("zone", "z")]));
    put(&fresh.store, &[(&a, 10, 1.0), (&b, 20, 1.0)]);
    let any = Matcher::new("job", MatchOp::Regex, ".+").unwrap();
    let store: &Store = &fresh.store;
    assert_eq!(store.label_names(&[], 0, 100).unwrap(), ["__name__", "job", "zone"]);
    assert_eq!(store.label_names(&[vec![any.clone()]], 0, 100).unwrap(), ["__name__", "job"]);
    assert_eq!(store.label_names(&[], 15, 100).unwrap(), ["__name__", "zone"]);
    assert_eq!(store.label_values("job", &[], 0, 100).unwrap(), ["a"]);
    assert_eq!(store.label_values("nothing", &[], 0, 100).unwrap(), Vec::<String>::new());
    assert_eq!(store.series(&[vec![any.clone()], vec![any]], 0, 100).unwrap(), [a]);
    assert_eq!(store.series(&[], 30, 100).unwrap(), []);
}

#[test]
fn a_read_above_the_sample_limit_is_rejected() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 10, 1.0), (&up, 20, 2.0), (&up, 30, 3.0)]);
    let answer = fresh.store.select(&[], 0, 100, 2);
    assert!(matches!(answer, Err(SourceError::TooManySamples { limit: 2 })), "{answer:?}");
    assert_eq!(fresh.store.select(&[], 0, 25, 2).unwrap()[0].values, [1.0, 2.0]);
}

#[test]
fn a_closed_store_returns_closed() {
    let fresh = Fresh::new();
    let other = fresh.store.clone();
    fresh.store.close().unwrap();
    let id = almanac_engine::series::SeriesId::new(0);
    let _ = other.resolve(&labels(&[("__name__", "up")]));
    let batch = SampleBatch { series: vec![id], timestamps: vec![1], values: vec![1.0], histograms: Vec::new() };
    assert!(matches!(other.append(batch), Err(StoreError::Closed)));
    assert!(matches!(other.put_signals(&[]), Err(StoreError::Closed)));
    assert!(matches!(other.clone().close(), Err(StoreError::Closed)));
}

/// Threads that ask everything about a store never wait for the writer and it for them: a lock that one of them took twice would.
#[test]
fn readers_and_the_writer_do_not_stop_each_other() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 0, 1.0)]);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    let stats = fresh.store.stats();
                    assert_eq!(stats.series, 1);
                    assert!(fresh.store.oldest() <= fresh.store.newest());
                    assert!(fresh.store.unready().is_none());
                    assert_eq!(named(&fresh.store, "up", 0, i64::MAX).len(), 1);
                }
            });
        }
        for step in 1..=200 {
            put(&fresh.store, &[(&up, step, 1.0)]);
            if step % 50 == 0 {
                fresh.store.compact(Timestamp::from_millis(step), Compaction::All).unwrap();
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(named(&fresh.store, "up", 0, i64::MAX)[0].values.len(), 201);
}
