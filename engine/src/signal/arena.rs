//! The histograms of one evaluation, and the handles by which cells refer to them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    histogram::{Histogram, ResetHint},
    signal::frame::{ABSENT, HANDLE, is_histogram},
};

/// The histograms of one evaluation. Clones share them. The evaluator fills it; callers have no use for it.
#[derive(Debug, Clone, Default)]
pub struct Arena(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    all: Vec<Arc<Histogram>>,
    /// Weight of all in samples, those that were too many included.
    weight: usize,
    /// Weight that is kept; `None`: any.
    limit: Option<usize>,
}

impl Arena {
    /// Returns an empty arena that keeps histograms of at most this weight in samples.
    pub(in crate::signal) fn with_limit(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { limit: Some(limit), ..Kept::default() })))
    }

    /// Keeps a histogram and returns its handle.
    ///
    /// One that exceeds the limit is dropped, so that a function which computes many before the next check of the limits
    /// needs no more memory. Its weight counts, so that the check fails.
    pub(in crate::signal) fn put(&self, histogram: Arc<Histogram>) -> f64 {
        let mut kept = self.0.lock();
        kept.weight = kept.weight.saturating_add(histogram.weight());
        let index = u32::try_from(kept.all.len()).ok().filter(|_| kept.limit.is_none_or(|limit| kept.weight <= limit));
        let Some(index) = index else { return ABSENT };
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
        let mut kept = self.0.lock();
        *kept = Kept { limit: kept.limit, ..Kept::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{EvalLimits, frame::is_absent};

    #[test]
    fn histograms_above_the_limit_are_not_kept_and_fail_the_next_check() {
        let histogram = Arc::new(Histogram { positive: vec![(0, 1.0); 100], ..Histogram::default() });
        let limits = EvalLimits { max_samples: histogram.weight() * 2, ..EvalLimits::default() }.for_one_evaluation();
        let handles: Vec<f64> = (0..3).map(|_| limits.arena.put(Arc::clone(&histogram))).collect();
        assert!(limits.arena.get(handles[1]).is_some() && is_absent(handles[2]));
        // The own one, and those of the first two handles.
        assert_eq!(Arc::strong_count(&histogram), 3);
        assert!(limits.check_cells(0).is_err());
        limits.arena.clear();
        assert!(limits.check_cells(0).is_ok());
        assert!(limits.arena.get(limits.arena.put(histogram)).is_some());
    }
}
