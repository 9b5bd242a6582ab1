//! Histories whose values are replaced by those that a bound is compared with: distances from a band, burn rates.

use crate::advise::threshold::Instance;

/// Replacement values of a signal's instances, as many for each instance as it has evaluations.
///
/// The transformation must be causal: the value at an evaluation depends on that evaluation and earlier ones alone. A
/// split by time then leaks nothing from the held-out part into the training part.
#[derive(Debug, Clone)]
pub(in crate::advise::threshold) struct TransformedHistories(Vec<Vec<f64>>);

impl TransformedHistories {
    /// Transforms each instance.
    pub(super) fn new(instances: &[Instance<'_>], transform: impl Fn(&Instance<'_>) -> Vec<f64>) -> Self {
        Self(instances.iter().map(transform).collect())
    }

    /// Returns the instances with the replacement values. `instances`: those that were transformed.
    pub(in crate::advise::threshold) fn of<'a>(&'a self, instances: &[Instance<'a>]) -> Vec<Instance<'a>> {
        let with =
            |(instance, values): (&Instance<'a>, &'a Vec<f64>)| Instance { timestamps: instance.timestamps, values };
        instances.iter().zip(&self.0).map(with).collect()
    }
}
