//! Sample batches, and the receipts that resolve when a batch is on disk.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures::channel::oneshot;

use super::HistogramSample;
use crate::{series::SeriesId, store::StoreError};

/// Samples to append, as columns of equal length, in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SampleBatch {
    /// Series of each sample, from [`Store::resolve`](crate::store::Store::resolve).
    pub series: Vec<SeriesId>,
    /// Timestamp of each sample, in epoch milliseconds.
    pub timestamps: Vec<i64>,
    /// Value of each sample; [`stale_marker`](crate::series::stale_marker) marks the end of a series.
    pub values: Vec<f64>,
    /// Native histograms. Their series end with a stale marker among the samples, like all others.
    pub histograms: Vec<HistogramSample>,
}

impl SampleBatch {
    /// Returns an empty batch with capacity for `samples`.
    #[must_use]
    pub fn with_capacity(samples: usize) -> Self {
        Self {
            series: Vec::with_capacity(samples),
            timestamps: Vec::with_capacity(samples),
            values: Vec::with_capacity(samples),
            histograms: Vec::new(),
        }
    }

    /// Adds one sample.
    pub fn push(&mut self, series: SeriesId, timestamp_ms: i64, value: f64) {
        self.series.push(series);
        self.timestamps.push(timestamp_ms);
        self.values.push(value);
    }

    /// Returns the number of samples and histograms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len() + self.histograms.len()
    }

    /// Returns the size of the batch in samples: a histogram counts as many as it takes memory.
    pub(in crate::store) fn weight(&self) -> usize {
        self.series.len() + self.histograms.iter().map(|sample| sample.histogram.weight()).sum::<usize>()
    }

    /// Returns whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.histograms.is_empty()
    }
}

/// Result of a committed append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Samples that are new or have a different value than before.
    pub written: u64,
    /// Samples that were already stored with the same value.
    pub unchanged: u64,
}

/// Future result of an append: resolves when the batch is committed on disk, or to an error when no sample was stored.
#[derive(Debug)]
#[must_use = "a batch is stored only when its receipt resolves to Ok"]
pub struct Receipt(oneshot::Receiver<Result<Appended, StoreError>>);

impl Receipt {
    /// Blocks this thread until the result is known. In async code await the receipt instead.
    ///
    /// # Errors
    /// The error of the append; no sample of the batch was stored.
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

/// The writer's side of a receipt.
#[derive(Debug)]
pub(in crate::store) struct ReceiptSender(oneshot::Sender<Result<Appended, StoreError>>);

impl ReceiptSender {
    /// Resolves the receipt. A dropped receipt is ignored.
    pub(in crate::store) fn send(self, result: Result<Appended, StoreError>) {
        let _ = self.0.send(result);
    }
}

/// Returns a receipt and its sender side.
pub(in crate::store) fn receipt() -> (ReceiptSender, Receipt) {
    let (sender, receiver) = oneshot::channel();
    (ReceiptSender(sender), Receipt(receiver))
}
