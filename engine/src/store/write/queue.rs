//! The bounded queue before the writer, which forms groups of batches.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{Answer, SampleBatch, Writer};
use crate::store::StoreError;

/// Most samples in one transaction, so that no batch waits long for a large group.
const GROUP_SAMPLES: usize = 400_000;

/// Longest time that a group waits for the senders of the last one.
const GROUP_COMMIT_MAX_WAIT: Duration = Duration::from_millis(5);

/// What the writer is asked to do.
pub(in crate::store) enum Job {
    /// Commit samples, together with others that wait.
    Samples(SampleBatch, Answer),
    /// Do something alone.
    Task(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// What the writer does next.
pub(in crate::store) enum Work {
    /// Commit these batches in one transaction.
    Group(Vec<(SampleBatch, Answer)>),
    /// Do this alone.
    Task(Box<dyn FnOnce(&mut Writer) + Send>),
    /// End.
    Closed,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    batches: usize,
    busy: u64,
    closed: bool,
}

/// The queue before the writer; its samples are bounded in bytes.
pub(in crate::store) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    limit: usize,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn bytes_of(batch: &SampleBatch) -> usize {
    batch.len() * 20 + 64
}

/// Takes the batches that wait behind this one, up to the next task or the size of a group. A task keeps its place: it must
/// not overtake samples that came before it, nor they it.
fn take_group(waiting: &mut Waiting, batch: SampleBatch, answer: Answer) -> Vec<(SampleBatch, Answer)> {
    let (mut samples, mut bytes) = (batch.len(), bytes_of(&batch));
    let mut group = vec![(batch, answer)];
    while samples < GROUP_SAMPLES {
        match waiting.jobs.pop_front() {
            Some(Job::Samples(batch, answer)) => {
                samples += batch.len();
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

    /// Lets a batch wait; one batch larger than the whole queue is let in when nothing else waits.
    pub(in crate::store) fn push_samples(&self, batch: SampleBatch, answer: Answer) -> Result<(), StoreError> {
        let bytes = bytes_of(&batch);
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        if waiting.bytes > 0 && waiting.bytes + bytes > self.limit {
            waiting.busy += 1;
            return Err(StoreError::Busy { retry_after: Duration::from_secs(1) });
        }
        waiting.bytes += bytes;
        waiting.batches += 1;
        waiting.jobs.push_back(Job::Samples(batch, answer));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Lets a task wait its turn.
    pub(in crate::store) fn push_task(&self, task: Box<dyn FnOnce(&mut Writer) + Send>) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(Job::Task(task));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes no more; what waits is still done.
    pub(in crate::store) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Waits for work: all samples that wait before the next task, or that task.
    ///
    /// `last` is how many batches the last group had and how long its commit took. Those senders come back at once with their
    /// next batch, so they get half a commit's time to join the batches that wait already: otherwise two senders would
    /// alternate, each commit holding one batch only.
    pub(in crate::store) fn next(&self, last: (usize, Duration)) -> Work {
        let mut waiting = self.waiting.lock();
        // The group is complete once the last group's senders are back, beside those whose batches came during its commit.
        let expected = last.0 + waiting.batches;
        let end = Instant::now() + (last.1 / 2).min(GROUP_COMMIT_MAX_WAIT);
        loop {
            let is_group = matches!(waiting.jobs.front(), Some(Job::Samples(..)));
            // Waiting longer is worth nothing for a task, when half the queue is full (senders are about to be refused), or
            // when the store closes.
            if is_group && waiting.batches < expected && waiting.bytes * 2 < self.limit && !waiting.closed {
                let is_over = self.arrived.wait_until(&mut waiting, end).timed_out();
                if !is_over {
                    // Woken by one arrival: see whether the group is complete now.
                    continue;
                }
            }
            match waiting.jobs.pop_front() {
                Some(Job::Task(task)) => return Work::Task(task),
                Some(Job::Samples(batch, answer)) => {
                    let group = take_group(&mut waiting, batch, answer);
                    return Work::Group(group);
                }
                // Closing lets everything that waits be done first: only an empty queue ends the writer.
                None if waiting.closed => return Work::Closed,
                None => self.arrived.wait(&mut waiting),
            }
        }
    }

    /// Bytes that wait, batches that wait, and how often a batch was turned away.
    pub(in crate::store) fn load(&self) -> (usize, usize, u64) {
        let waiting = self.waiting.lock();
        (waiting.bytes, waiting.batches, waiting.busy)
    }

    /// The bound in bytes.
    pub(in crate::store) fn limit(&self) -> usize {
        self.limit
    }
}
