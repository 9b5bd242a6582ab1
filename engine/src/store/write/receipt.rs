//! Batches of samples and the receipts that resolve once they are on disk.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures::channel::oneshot;

use crate::{series::SeriesId, store::StoreError};

/// Samples to append, as columns of one length in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SampleBatch {
    /// The series of each sample, from [`Store::resolve`](crate::store::Store::resolve).
    pub series: Vec<SeriesId>,
    /// Epoch milliseconds of each sample.
    pub timestamps: Vec<i64>,
    /// The values; [`stale_marker`](crate::series::stale_marker) marks the end of a series.
    pub values: Vec<f64>,
}

impl SampleBatch {
    /// An empty batch with room for `samples`.
    #[must_use]
    pub fn with_capacity(samples: usize) -> Self {
        Self {
            series: Vec::with_capacity(samples),
            timestamps: Vec::with_capacity(samples),
            values: Vec::with_capacity(samples),
        }
    }

    /// Adds one sample.
    pub fn push(&mut self, series: SeriesId, timestamp_ms: i64, value: f64) {
        self.series.push(series);
        self.timestamps.push(timestamp_ms);
        self.values.push(value);
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

/// What an append did, once it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Samples that are new or have another value than before.
    pub written: u64,
    /// Samples that were there already with the same value.
    pub unchanged: u64,
}

/// The answer to come: resolves when the batch is committed on disk, or was not stored at all.
#[derive(Debug)]
#[must_use = "a batch is stored only when its receipt resolves to Ok"]
pub struct Receipt(oneshot::Receiver<Result<Appended, StoreError>>);

impl Receipt {
    /// Waits on this thread; within async code await the receipt instead.
    ///
    /// # Errors
    /// As the append failed; nothing of the batch was stored then.
    pub fn wait(self) -> Result<Appended, StoreError> {
        futures::executor::block_on(self)
    }
}

impl Future for Receipt {
    type Output = Result<Appended, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

/// The writer's end of a receipt.
#[derive(Debug)]
pub(in crate::store) struct Answer(oneshot::Sender<Result<Appended, StoreError>>);

impl Answer {
    /// Resolves the receipt; a waiter that has gone is no error.
    pub(in crate::store) fn send(self, result: Result<Appended, StoreError>) {
        let _ = self.0.send(result);
    }
}

/// A receipt and its answer.
pub(in crate::store) fn receipt() -> (Answer, Receipt) {
    let (sender, receiver) = oneshot::channel();
    (Answer(sender), Receipt(receiver))
}
