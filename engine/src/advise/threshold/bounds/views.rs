//! Values that replace those of a signal where a bound is on something else than the signal itself.

use crate::advise::threshold::Instance;

/// What stands in place of a signal's values where a bound is not on the signal itself; one entry an instance, as long as it.
///
/// Whatever makes it must be causal: what it says of an evaluation depends on that one and on those before it alone, so that a cut by
/// time cuts nothing else.
#[derive(Debug, Clone)]
pub(in crate::advise::threshold) struct Views(Vec<Vec<f64>>);

impl Views {
    /// What `of` makes of each instance.
    pub(super) fn new(instances: &[Instance<'_>], of: impl Fn(&Instance<'_>) -> Vec<f64>) -> Self {
        Self(instances.iter().map(of).collect())
    }

    /// The instances with these values.
    pub(in crate::advise::threshold) fn of<'a>(&'a self, instances: &[Instance<'a>]) -> Vec<Instance<'a>> {
        let with =
            |(instance, values): (&Instance<'a>, &'a Vec<f64>)| Instance { timestamps: instance.timestamps, values };
        instances.iter().zip(&self.0).map(with).collect()
    }
}
