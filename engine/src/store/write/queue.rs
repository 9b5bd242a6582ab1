//! The bounded queue of the writer, which groups batches into transactions.
//!
//! Every commit synchronises the log to disk, so one commit of many batches is much cheaper than one commit each.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{ReceiptSender, SampleBatch, Writer};
use crate::store::StoreError;

/// Number of samples at which a group is full, so that no batch waits long for a large transaction.
const GROUP_SAMPLES: usize = 400_000;

/// Maximum time that a group waits for the senders of the previous one.
const GROUP_COMMIT_MAX_WAIT: Duration = Duration::from_millis(5);

/// Queued request to the writer.
pub(in crate::store) enum QueuedJob {
    /// Samples to commit, together with other queued batches.
    Samples(SampleBatch, ReceiptSender),
    /// Task to run between two groups.
    Task(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// Next work of the writer.
pub(in crate::store) enum Work {
    /// Batches to commit in one transaction.
    Group(Vec<(SampleBatch, ReceiptSender)>),
    /// Task to run alone.
    Task(Box<dyn FnOnce(&mut Writer) + Send>),
    /// The queue is closed and empty: the thread ends.
    Closed,
}

/// Contents of the queue. `bytes` and `batches` count queued samples, `busy` rejected batches since the start.
#[derive(Default)]
struct QueueState {
    jobs: VecDeque<QueuedJob>,
    bytes: usize,
    batches: usize,
    busy: u64,
    closed: bool,
}

/// Queue of the writer; `limit` bounds its samples in bytes, tasks are not bounded.
pub(in crate::store) struct Queue {
    waiting: Mutex<QueueState>,
    arrived: Condvar,
    limit: usize,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Returns the estimated memory of a batch: 20 bytes per sample and a constant for the entry.
fn bytes_of(batch: &SampleBatch) -> usize {
    bytes_of_samples(batch.weight())
}

fn bytes_of_samples(samples: usize) -> usize {
    samples * 20 + 64
}

impl QueueState {
    /// Rejects a batch that does not fit. A batch larger than the limit fits when no other samples are queued.
    fn admit(&mut self, bytes: usize, limit: usize) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        if self.bytes > 0 && self.bytes + bytes > limit {
            self.busy += 1;
            return Err(StoreError::Busy { retry_after: Duration::from_secs(1) });
        }
        Ok(())
    }
}

/// Takes the batches queued behind `batch`, up to the next task or a full group. Tasks and samples keep their order.
fn take_group(
    waiting: &mut QueueState,
    batch: SampleBatch,
    answer: ReceiptSender,
) -> Vec<(SampleBatch, ReceiptSender)> {
    let (mut samples, mut bytes) = (batch.weight(), bytes_of(&batch));
    let mut group = vec![(batch, answer)];
    while samples < GROUP_SAMPLES {
        match waiting.jobs.pop_front() {
            Some(QueuedJob::Samples(batch, answer)) => {
                samples += batch.weight();
                bytes += bytes_of(&batch);
                group.push((batch, answer));
            }
            Some(task) => {
                waiting.jobs.push_front(task);
                break;
            }
            None => break,
        }
    }
    waiting.bytes = waiting.bytes.saturating_sub(bytes);
    waiting.batches -= group.len();
    group
}

impl Queue {
    pub(in crate::store) fn new(limit_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), limit: limit_bytes }
    }

    /// Queues a batch. A batch larger than the limit is accepted when no other samples are queued.
    pub(in crate::store) fn push_samples(&self, batch: SampleBatch, answer: ReceiptSender) -> Result<(), StoreError> {
        let bytes = bytes_of(&batch);
        let mut waiting = self.waiting.lock();
        waiting.admit(bytes, self.limit)?;
        waiting.bytes += bytes;
        waiting.batches += 1;
        waiting.jobs.push_back(QueuedJob::Samples(batch, answer));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Returns whether a batch of this many samples would be queued now; a rejected one is counted.
    pub(in crate::store) fn check(&self, samples: usize) -> Result<(), StoreError> {
        self.waiting.lock().admit(bytes_of_samples(samples), self.limit)
    }

    /// Queues a task.
    pub(in crate::store) fn push_task(&self, task: Box<dyn FnOnce(&mut Writer) + Send>) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(QueuedJob::Task(task));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Rejects further requests; queued ones are still done.
    pub(in crate::store) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Returns whether further requests are rejected.
    pub(in crate::store) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Rejects further requests and drops the queued ones, whose receipts then report that the store is closed.
    pub(in crate::store) fn abandon(&self) {
        let dropped = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            (waiting.bytes, waiting.batches) = (0, 0);
            std::mem::take(&mut waiting.jobs)
        };
        drop(dropped);
    }

    /// Waits for work and returns the next task, or all batches queued before the next task.
    ///
    /// `last`: number of batches and commit time of the previous group. Its senders usually send their next batch at
    /// once after the acknowledgement. The group therefore waits for them up to half a commit time. Without that wait
    /// two senders would alternate, with one batch per commit.
    pub(in crate::store) fn next(&self, last: (usize, Duration)) -> Work {
        let mut waiting = self.waiting.lock();
        // Complete group: one batch of each previous sender, and the batches that arrived during the commit.
        let expected = last.0 + waiting.batches;
        let end = Instant::now() + (last.1 / 2).min(GROUP_COMMIT_MAX_WAIT);
        loop {
            let is_group = matches!(waiting.jobs.front(), Some(QueuedJob::Samples(..)));
            // No wait for a task, when half the queue is full (senders are about to be rejected), or when the store
            // closes.
            if is_group && waiting.batches < expected && waiting.bytes * 2 < self.limit && !waiting.closed {
                let is_over = self.arrived.wait_until(&mut waiting, end).timed_out();
                if !is_over {
                    // One arrival, or a spurious wake-up: check again whether the group is complete.
                    continue;
                }
            }
            match waiting.jobs.pop_front() {
                Some(QueuedJob::Task(task)) => return Work::Task(task),
                Some(QueuedJob::Samples(batch, answer)) => {
                    let group = take_group(&mut waiting, batch, answer);
                    return Work::Group(group);
                }
                // Queued work is done before the writer ends.
                None if waiting.closed => return Work::Closed,
                None => self.arrived.wait(&mut waiting),
            }
        }
    }

    /// Returns the queued bytes, the queued batches, and the number of rejected batches since the start.
    pub(in crate::store) fn load(&self) -> (usize, usize, u64) {
        let waiting = self.waiting.lock();
        (waiting.bytes, waiting.batches, waiting.busy)
    }

    /// Returns the limit in bytes.
    pub(in crate::store) fn limit(&self) -> usize {
        self.limit
    }
}
