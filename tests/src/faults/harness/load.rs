//! Works on a service: senders of new, late and repeated samples, compactions and backups.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Answer, Batch, Field, Handle, Model, Shim};

/// First timestamp, 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
/// A timestamp after all of the load and before the clock, 2026-11-01T00:00:00Z.
pub(in crate::faults) const AFTER_ALL_MS: i64 = 1_793_491_200_000;
/// Senders; each has series of its own, so that one sender's batches are in order.
pub(in crate::faults) const SENDERS: u32 = 2;
/// Series of a sender.
const SERIES: u32 = 12;
/// Most samples of a batch for each series.
const LONGEST: i64 = 60;
/// Pause before a batch that was not taken is sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// A batch that was sent while a shim recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::faults) struct Sent {
    pub(in crate::faults) sender: u32,
    pub(in crate::faults) batch: Batch,
    /// Records of the journal when its acknowledgement had come; `None` without one.
    pub(in crate::faults) acknowledged_at: Option<i64>,
}

/// What all threads share.
#[derive(Debug, Default)]
pub(in crate::faults) struct Load {
    pub(in crate::faults) model: Mutex<Model>,
    /// Whether nothing new is begun, since the service is about to be killed or stopped.
    pub(in crate::faults) is_over: AtomicBool,
    /// Answers that no batch may have.
    pub(in crate::faults) errors: Mutex<Vec<String>>,
    /// Whether answers of 5xx are expected: the batch is sent again until it is acknowledged.
    pub(in crate::faults) expects_failures: AtomicBool,
    /// Batches that were not taken at first, by status; 0: no answer.
    pub(in crate::faults) failures: Mutex<BTreeMap<u16, u64>>,
    /// Shim that records; with it all batches are kept in `sent`.
    pub(in crate::faults) recorder: Option<Arc<Shim>>,
    pub(in crate::faults) sent: Mutex<Vec<Sent>>,
    /// Next step of time, and next value.
    next: [AtomicI64; 2],
}

impl Load {
    /// Returns a load whose batches are recorded with the journal of a shim.
    pub(in crate::faults) fn recorded(shim: &Arc<Shim>) -> Self {
        Self { recorder: Some(Arc::clone(shim)), ..Self::default() }
    }

    /// Returns a batch of a sender: mostly new samples, else late ones between known ones, or known ones with other values.
    pub(in crate::faults) fn batch(&self, sender: u32, rng: &mut ChaCha8Rng) -> Batch {
        let value = || self.next[1].fetch_add(1, Ordering::Relaxed) + 1;
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

    /// Sends a batch until it is acknowledged; `false` when the service does not answer, or the load is over.
    ///
    /// # Errors
    /// An answer that no batch may have, or a lock of a thread that panicked.
    fn deliver(&self, handle: &Handle, sender: u32, batch: &Batch) -> Result<bool, String> {
        let mut is_open = false;
        let outcome = loop {
            let answer = handle.put(batch);
            let status = match &answer {
                Answer::Acknowledged => break true,
                Answer::Busy(status) => *status,
                Answer::None => 0,
                Answer::Failed { status, .. } | Answer::Refused { status, .. } => *status,
            };
            *locked(&self.failures)?.entry(status).or_default() += 1;
            match &answer {
                Answer::Failed { .. } if self.expects_failures.load(Ordering::SeqCst) => {}
                Answer::Refused { text, .. } | Answer::Failed { text, .. } => {
                    return Err(format!("a batch was answered with {status}: {text}"));
                }
                _ => {}
            }
            if answer != Answer::Busy(429) && !is_open {
                is_open = true;
                locked(&self.model)?.leave_open(batch.clone());
            }
            if answer == Answer::None || self.is_over.load(Ordering::SeqCst) {
                break false;
            }
            thread::sleep(PAUSE);
        };
        if let Some(shim) = &self.recorder {
            let acknowledged_at = outcome.then(|| shim.get(Field::Records));
            locked(&self.sent)?.push(Sent { sender, batch: batch.clone(), acknowledged_at });
        }
        if outcome {
            locked(&self.model)?.acknowledge(batch);
        }
        Ok(outcome)
    }

    /// Sends batches one after the other until the load is over or the service does not answer.
    fn send(&self, handle: &Handle, sender: u32, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        while !self.is_over.load(Ordering::SeqCst) {
            let batch = self.batch(sender, &mut rng);
            match self.deliver(handle, sender, &batch) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    if let Ok(mut errors) = self.errors.lock() {
                        errors.push(error);
                    }
                    return;
                }
            }
        }
    }

    /// Ends the load and waits for its threads.
    ///
    /// # Errors
    /// The first answer that no batch may have.
    pub(in crate::faults) fn end(&self, threads: Vec<thread::JoinHandle<()>>) -> Result<(), String> {
        self.is_over.store(true, Ordering::SeqCst);
        for thread in threads {
            thread.join().map_err(|_| "a thread of the load panicked".to_owned())?;
        }
        locked(&self.errors)?.first().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Returns the number of batches that were acknowledged.
    pub(in crate::faults) fn acknowledged(&self) -> u64 {
        self.model.lock().map_or(0, |model| model.acknowledged())
    }

    /// Returns the failures by status as text, `507: 12, 429: 3`.
    pub(in crate::faults) fn failed(&self) -> String {
        let Ok(failures) = self.failures.lock() else { return String::new() };
        let shown = |(status, count): (&u16, &u64)| match status {
            0 => format!("no answer: {count}"),
            status => format!("{status}: {count}"),
        };
        let all: Vec<String> = failures.iter().map(shown).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }
}

/// Locks what threads of the load share.
///
/// # Errors
/// A thread that panicked with the lock.
pub(in crate::faults) fn locked<T>(shared: &Mutex<T>) -> Result<MutexGuard<'_, T>, String> {
    shared.lock().map_err(|_| "a thread of the load panicked".to_owned())
}

/// Starts the threads of the load: senders, and requests of compactions and backups at random times.
pub(in crate::faults) fn start(load: &Arc<Load>, handle: &Handle, seed: u64) -> Vec<thread::JoinHandle<()>> {
    load.is_over.store(false, Ordering::SeqCst);
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
