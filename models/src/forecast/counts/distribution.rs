//! The negative binomial distribution, with the Poisson distribution as its limit.

/// A distribution of counts, parameterised by its mean and its dispersion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::forecast) struct CountDistribution {
    mean: f64,
    /// Variance divided by mean, at least 1.
    dispersion: f64,
}

/// Dispersion up to which the distribution is computed as Poisson.
const POISSON: f64 = 1.0 + 1e-6;
/// Mean above which quantiles come from the normal approximation. This bounds the time of the summation.
const LARGE: f64 = 20_000.0;

impl CountDistribution {
    /// Creates a distribution. `mean` is raised to at least 0, `dispersion` (variance divided by mean) to at least 1.
    pub(super) fn new(mean: f64, dispersion: f64) -> Self {
        Self { mean: mean.max(0.0), dispersion: dispersion.max(1.0) }
    }

    /// Returns the smallest count whose cumulative probability is at least `p`, for `p` in (0, 1).
    pub(in crate::forecast) fn quantile(self, p: f64) -> f64 {
        if !(self.mean > 0.0) {
            return 0.0;
        }
        if self.mean > LARGE {
            use statrs::distribution::{ContinuousCDF, Normal};
            let score = Normal::standard().inverse_cdf(p);
            return (self.mean + score * (self.mean * self.dispersion).sqrt()).round().max(0.0);
        }
        // Usual case: add the masses from 0 upwards until they reach `p`.
        let (mut k, mut mass) = (0.0, self.log_mass_at_zero().exp());
        if mass > 0.0 {
            let mut sum = mass;
            while sum < p - 1e-12 && k < 1e7 {
                mass *= self.next(k);
                k += 1.0;
                sum += mass;
                // Above the mean, masses only decrease: the remaining ones are negligible.
                if mass < 1e-300 && k > self.mean {
                    break;
                }
            }
            return k;
        }
        // The mass at 0 underflows. Start at the mean instead, with masses relative to the mass there.
        let start = self.mean.floor();
        let (mut below, mut mass, mut k) = (Vec::new(), 1.0, start);
        while k > 0.0 && mass > 1e-18 {
            mass /= self.next(k - 1.0);
            k -= 1.0;
            below.push(mass);
        }
        let (mut above, mut mass, mut j) = (vec![1.0], 1.0, start);
        while mass > 1e-18 {
            mass *= self.next(j);
            j += 1.0;
            above.push(mass);
        }
        let total: f64 = below.iter().sum::<f64>() + above.iter().sum::<f64>();
        let mut sum = 0.0;
        for mass in below.iter().rev().chain(&above) {
            sum += mass / total;
            if sum >= p - 1e-12 {
                return k;
            }
            k += 1.0;
        }
        k
    }

    /// Returns the logarithm of the probability of `count`.
    pub(super) fn log_mass(self, count: f64) -> f64 {
        use statrs::function::gamma::ln_gamma;
        if !(self.mean > 0.0) {
            return if count > 0.0 { f64::NEG_INFINITY } else { 0.0 };
        }
        if self.dispersion <= POISSON {
            return count * self.mean.ln() - self.mean - ln_gamma(count + 1.0);
        }
        let size = self.mean / (self.dispersion - 1.0);
        ln_gamma(count + size) - ln_gamma(size) - ln_gamma(count + 1.0) - size * self.dispersion.ln()
            + count * ((self.dispersion - 1.0) / self.dispersion).ln()
    }

    fn log_mass_at_zero(self) -> f64 {
        if self.dispersion <= POISSON {
            return -self.mean;
        }
        -self.mean / (self.dispersion - 1.0) * self.dispersion.ln()
    }

    /// Returns the ratio of the mass at `k` + 1 to the mass at `k`.
    fn next(self, k: f64) -> f64 {
        if self.dispersion <= POISSON {
            return self.mean / (k + 1.0);
        }
        let size = self.mean / (self.dispersion - 1.0);
        (k + size) / (k + 1.0) * (self.dispersion - 1.0) / self.dispersion
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_r() {
        // R 4.2: qpois(c(.025, .5, .9, .975), lambda).
        for (mean, expected) in
            [(0.05, [0.0, 0.0, 0.0, 1.0]), (4.0, [1.0, 4.0, 7.0, 8.0]), (50.0, [37.0, 50.0, 59.0, 64.0])]
        {
            for (p, q) in [0.025, 0.5, 0.9, 0.975].into_iter().zip(expected) {
                let found = CountDistribution::new(mean, 1.0).quantile(p);
                assert!((found - q).abs() < 1e-9, "{mean} {p}: {found}, not {q}");
            }
        }
        // The mass at 0 underflows for this mean.
        let far = CountDistribution::new(5_000.0, 1.0);
        assert!((far.quantile(0.5) - 5_000.0).abs() < 2.0);
        assert!((far.quantile(0.975) - 5_000.0 - 1.96 * 5_000f64.sqrt()).abs() < 3.0);
        assert!(CountDistribution::new(0.0, 3.0).quantile(0.99) < 0.5);
    }

    #[test]
    fn masses_sum_to_one_and_quantiles_follow_them() {
        for (mean, dispersion) in [(0.3, 1.0), (2.0, 1.5), (7.0, 12.0), (40.0, 3.0)] {
            let d = CountDistribution::new(mean, dispersion);
            let masses: Vec<f64> = (0..4_000).map(|k| d.log_mass(f64::from(k)).exp()).collect();
            assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let found: f64 = masses.iter().enumerate().map(|(k, m)| k as f64 * m).sum();
            assert!((found - mean).abs() < 1e-6 * mean.max(1.0));
            for p in [0.01, 0.3, 0.77, 0.995] {
                let mut sum = 0.0;
                let expected = masses.iter().position(|m| {
                    sum += m;
                    sum >= p
                });
                assert!((d.quantile(p) - expected.unwrap() as f64).abs() < 1e-9, "{mean} {dispersion} {p}");
            }
        }
    }
}
