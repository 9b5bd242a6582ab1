//! Writes the samples of an import in batches, with a bounded number of them on their way to disk.

use std::{collections::VecDeque, thread, time::Duration};

use crate::{
    ingest::{Ingest, PendingWrite},
    series::SeriesId,
    store::{SampleBatch, StoreError},
};

/// Number of samples per batch for the store.
pub(super) const BATCH_SAMPLES: usize = 65_536;

/// Maximum number of uncommitted batches: enough to keep the writer busy, and bounded in memory.
const MAX_PENDING: usize = 4;

/// Longest time for which a batch waits for space in the queue.
const MAX_BUSY: Duration = Duration::from_secs(60);

/// Writer of an import's samples.
pub(super) struct SampleWriter<'a> {
    ingest: &'a Ingest,
    batch: SampleBatch,
    waiting: VecDeque<PendingWrite>,
    stored: u64,
    samples: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> SampleWriter<'a> {
    /// `progress` is called with the committed and the total number of samples, which is `samples`.
    pub(super) fn new(ingest: &'a Ingest, samples: u64, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        let batch = SampleBatch::with_capacity(BATCH_SAMPLES);
        Self { ingest, batch, waiting: VecDeque::new(), stored: 0, samples, progress }
    }

    pub(super) fn ingest(&self) -> &'a Ingest {
        self.ingest
    }

    /// Returns the number of committed samples.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Adds a sample.
    pub(super) fn push(&mut self, id: SeriesId, timestamp_ms: i64, value: f64) -> Result<(), StoreError> {
        self.batch.push(id, timestamp_ms, value);
        if self.batch.len() >= BATCH_SAMPLES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        while self.waiting.len() >= MAX_PENDING {
            self.wait_for_one()?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, SampleBatch::with_capacity(BATCH_SAMPLES));
        let mut waited = Duration::ZERO;
        loop {
            // `append` consumes the batch even if it rejects it, hence the clone.
            match self.ingest.append(batch.clone()) {
                Ok(pending) => {
                    self.waiting.push_back(pending);
                    return Ok(());
                }
                Err(StoreError::Busy { retry_after }) if waited < MAX_BUSY => {
                    thread::sleep(retry_after);
                    waited += retry_after;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_one(&mut self) -> Result<(), StoreError> {
        if let Some(pending) = self.waiting.pop_front() {
            self.stored += pending.wait()?.samples_written;
            (self.progress)(self.stored, self.samples);
        }
        Ok(())
    }

    /// Writes what is left and waits until all of it is on disk.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.wait_for_all()
    }

    /// Waits until what was passed to the store is on disk.
    pub(super) fn wait_for_all(&mut self) -> Result<(), StoreError> {
        while !self.waiting.is_empty() {
            self.wait_for_one()?;
        }
        Ok(())
    }
}
