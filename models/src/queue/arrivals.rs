//! Arrivals at a queue over time: a rate for each step, and how much they come in batches.

/// A stretch of time with one rate of arrivals and one distribution of hold times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadStep {
    /// Length in seconds.
    pub seconds: f64,
    /// Arrivals per second.
    pub rate: f64,
    /// Index of the distribution of hold times.
    pub holds: usize,
    /// Factor on the hold times.
    pub stretch: f64,
}

impl LoadStep {
    /// Returns the expected number of arrivals.
    #[must_use]
    pub fn arrivals(&self) -> f64 {
        self.seconds * self.rate
    }
}

/// Returns the mean size of geometric batches whose arrivals give the number of servers in use the variance
/// `peakedness · mean`; 1 for a Poisson process and below.
///
/// `overlap`: [`HoldTimes::overlap`](super::HoldTimes::overlap). With unlimited servers, Poisson batches of size B and
/// hold times with the distribution F, the variance of the servers in use is λ·∫(1 − F) + λ·(E\[B(B−1)\] / E\[B\])·∫(1 − F)²,
/// and E\[B(B−1)\] / E\[B\] = 2(b − 1) for geometric batches with the mean b.
///
/// ```
/// use almanac_models::queue::batch_of_peakedness;
/// // Exponential holds in batches of three on average: the variance is three times the mean.
/// assert!((batch_of_peakedness(3.0, 0.5) - 3.0).abs() < 1e-12);
/// assert!((batch_of_peakedness(0.7, 0.5) - 1.0).abs() < 1e-12);
/// ```
///
/// # Reference
/// Holman, Chaudhry & Kashyap (1983), "On the service system MX/G/∞", European Journal of Operational Research 13.
#[must_use]
pub fn batch_of_peakedness(peakedness: f64, overlap: f64) -> f64 {
    if peakedness > 1.0 && overlap > 0.0 { 1.0 + (peakedness - 1.0) / (2.0 * overlap) } else { 1.0 }
}
