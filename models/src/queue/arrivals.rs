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

/// Steps to each side whose mean a noisy rate is shrunk to.
const AROUND: usize = 7;

/// Returns rates of arrivals without the noise of the counts that they were computed from, for a simulation that draws
/// arrivals from them again: noise that stays would count twice and make waits too long.
///
/// `rates`: arrivals per second of each step, NaN if unknown; `sources`: number of queues whose mean each rate is, ≥ 1;
/// `seconds`: length of a step. Each rate is shrunk to the mean of the 15 steps around it, by the share of the variance that counts
/// of Poisson processes have; rates that vary by more than their counts explain stay.
///
/// ```
/// use almanac_models::queue::rates_without_noise;
/// // Counts of 55 to 65 in a minute vary less than those of a Poisson process with 60: the rate is constant.
/// let rates: Vec<f64> = (0..30).map(|idx| [55.0, 65.0, 60.0][idx % 3] / 60.0).collect();
/// let steady = rates_without_noise(&rates, &[1.0; 30], 60.0);
/// // Steps that have seven others to each side: the mean of those 15 is exact.
/// assert!(steady[7..23].iter().all(|rate| (rate - 1.0).abs() < 1e-12));
/// ```
///
/// # Reference
/// Efron & Morris (1973), "Stein's estimation rule and its competitors", Journal of the American Statistical Association 68.
#[must_use]
pub fn rates_without_noise(rates: &[f64], sources: &[f64], seconds: f64) -> Vec<f64> {
    let around = |idx: usize| {
        let near = &rates[idx.saturating_sub(AROUND)..rates.len().min(idx + AROUND + 1)];
        crate::stats::mean(&near.iter().copied().filter(|rate| rate.is_finite()).collect::<Vec<_>>())
    };
    let means: Vec<Option<f64>> =
        rates.iter().enumerate().map(|(idx, rate)| around(idx).filter(|_| rate.is_finite())).collect();
    let (mut noise, mut seen) = (0.0, 0.0);
    for ((rate, mean), sources) in rates.iter().zip(&means).zip(sources) {
        let Some(mean) = mean else { continue };
        noise += mean * seconds / sources.max(1.0);
        seen += ((rate - mean) * seconds).powi(2);
    }
    let kept = if seen > noise { 1.0 - noise / seen } else { 0.0 };
    rates.iter().zip(means).map(|(rate, mean)| mean.map_or(*rate, |mean| mean + kept * (rate - mean))).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn noise_of_counts_is_taken_out_and_changes_of_the_load_stay() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // Arrivals of a minute, with exponential times between them.
        let mut drawn = |rate: f64| {
            let (mut at, mut count) = (0.0, 0.0);
            loop {
                at -= (1.0 - rng.random::<f64>()).ln() / rate;
                if at > 60.0 {
                    return count / 60.0;
                }
                count += 1.0;
            }
        };
        let spread = |rates: &[f64]| {
            let mean = crate::stats::mean(rates).unwrap();
            rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>().sqrt()
        };
        let steady: Vec<f64> = (0..600).map(|_| drawn(2.0)).collect();
        let ones = vec![1.0; 600];
        assert!(spread(&rates_without_noise(&steady, &ones, 60.0)) < 0.4 * spread(&steady));
        // Busy and idle minutes in turn are no noise.
        let waves: Vec<f64> = (0..600).map(|idx| drawn(if idx % 6 < 3 { 1.0 } else { 9.0 })).collect();
        assert!(spread(&rates_without_noise(&waves, &ones, 60.0)) > 0.97 * spread(&waves));
        let gap = rates_without_noise(&[1.0, f64::NAN, 1.0], &[1.0; 3], 60.0);
        assert!(gap[1].is_nan() && (gap[0] - 1.0).abs() < 1e-12);
    }
}
