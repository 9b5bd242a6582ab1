//! Works on a service until it is killed: senders of new, late and repeated samples, compactions and backups.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    model::{Batch, Model},
    service::{Answer, Handle},
};

/// First timestamp, 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
/// Senders; each has series of its own, so that one sender's batches are in order.
pub(super) const SENDERS: u32 = 2;
/// Series of a sender.
const SERIES: u32 = 12;
/// Most samples of a batch for each series.
const LONGEST: i64 = 60;

/// What all threads share.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) model: Mutex<Model>,
    /// Whether the service is about to be killed, so that nothing new is begun.
    pub(super) is_over: AtomicBool,
    /// Answers that no batch may have.
    pub(super) errors: Mutex<Vec<String>>,
    /// Next step of time, and next value.
    next: [AtomicI64; 2],
}

impl Load {
    pub(super) fn new() -> Self {
        let next = [AtomicI64::new(0), AtomicI64::new(1)];
        Self { model: Mutex::default(), is_over: AtomicBool::new(false), errors: Mutex::default(), next }
    }

    /// Returns a batch of a sender: mostly new samples, else late ones between known ones, or known ones with other values.
    fn batch(&self, sender: u32, rng: &mut ChaCha8Rng) -> Batch {
        let value = || self.next[1].fetch_add(1, Ordering::Relaxed);
        let own = sender * SERIES..(sender + 1) * SERIES;
        if rng.random_bool(0.25) {
            let known: Vec<(u32, i64)> = match self.model.lock() {
                Ok(model) => model.known().into_iter().filter(|(series, _)| own.contains(series)).collect(),
                Err(_) => Vec::new(),
            };
            if !known.is_empty() {
                let shift = if rng.random_bool(0.5) { rng.random_range(1..5_000) } else { 0 };
                let mut chosen: Vec<(u32, i64)> =
                    (0..rng.random_range(1..80)).filter_map(|_| known.choose(rng).copied()).collect();
                chosen.sort_unstable();
                chosen.dedup();
                return chosen.into_iter().map(|(series, at)| (series, at + shift, value())).collect();
            }
        }
        let steps = rng.random_range(1..=LONGEST);
        let first = self.next[0].fetch_add(steps, Ordering::Relaxed);
        let times = (first..first + steps).map(|step| START_MS + step * 10_000);
        own.flat_map(|series| times.clone().map(move |at| (series, at)))
            .map(|(series, at)| (series, at, value()))
            .collect()
    }

    /// Sends batches one after the other until the service does not answer.
    fn send(&self, handle: &Handle, sender: u32, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        while !self.is_over.load(Ordering::SeqCst) {
            let batch = self.batch(sender, &mut rng);
            let mut answer = handle.put(&batch);
            while answer == Ok(Answer::Busy) && !self.is_over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
                answer = handle.put(&batch);
            }
            let (Ok(mut model), Ok(mut errors)) = (self.model.lock(), self.errors.lock()) else { return };
            match answer {
                Ok(Answer::Acknowledged) => model.acknowledge(&batch),
                Ok(Answer::None) => {
                    model.leave_open(batch);
                    return;
                }
                Ok(Answer::Busy) => return,
                Err(error) => {
                    errors.push(error);
                    return;
                }
            }
        }
    }
}

/// Starts the threads of the load.
pub(super) fn start(load: &Arc<Load>, handle: &Handle, seed: u64) -> Vec<thread::JoinHandle<()>> {
    let mut threads = Vec::new();
    for sender in 0..SENDERS {
        let (load, handle) = (Arc::clone(load), handle.clone());
        threads.push(thread::spawn(move || load.send(&handle, sender, seed.wrapping_add(u64::from(sender)))));
    }
    for (place, what) in (0..).zip(["compact", "backup"]) {
        let (load, handle) = (Arc::clone(load), handle.clone());
        threads.push(thread::spawn(move || {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (77 + place));
            while !load.is_over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(rng.random_range(0..300)));
                handle.maintain(what);
            }
        }));
    }
    threads
}
