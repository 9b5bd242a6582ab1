//! The histograms of one evaluation, and the handles by which cells refer to them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    histogram::{Histogram, ResetHint},
    signal::frame::{HANDLE, is_histogram},
};

/// The histograms of one evaluation. Clones share them. The evaluator fills it; callers have no use for it.
#[derive(Debug, Clone, Default)]
pub struct Arena(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    all: Vec<Arc<Histogram>>,
    /// Weight of all in samples.
    weight: usize,
}

impl Arena {
    /// Keeps a histogram and returns its handle.
    pub(in crate::signal) fn put(&self, histogram: Arc<Histogram>) -> f64 {
        let mut kept = self.0.lock();
        let Ok(index) = u32::try_from(kept.all.len()) else { return f64::NAN };
        kept.weight += histogram.weight();
        kept.all.push(histogram);
        f64::from_bits(HANDLE << 32 | u64::from(index))
    }

    /// Returns the histogram of a cell; `None` for a float.
    pub(in crate::signal) fn get(&self, cell: f64) -> Option<Arc<Histogram>> {
        if !is_histogram(cell) {
            return None;
        }
        let index = usize::try_from(cell.to_bits() & u64::from(u32::MAX)).ok()?;
        self.0.lock().all.get(index).cloned()
    }

    /// Returns a cell whose histogram has no hint about resets; a float as it is.
    pub(in crate::signal) fn without_hint(&self, cell: f64) -> f64 {
        match self.get(cell) {
            Some(histogram) if matches!(histogram.hint, ResetHint::Reset | ResetHint::NotReset) => {
                let hint = ResetHint::Unknown;
                self.put(Arc::new(Histogram { hint, ..Histogram::clone(&histogram) }))
            }
            _ => cell,
        }
    }

    /// Returns the weight of all histograms in samples of 16 bytes.
    pub(in crate::signal) fn weight(&self) -> usize {
        self.0.lock().weight
    }

    /// Drops all histograms. No cell may have a handle any more.
    pub(in crate::signal) fn clear(&self) {
        *self.0.lock() = Kept::default();
    }
}
