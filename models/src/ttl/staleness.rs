//! Write rates of keys by empirical Bayes, and the stale hits expected at such rates.

use super::{Access, KeyEvent, Lifetime, Window};

/// Maximum number of Newton steps for the power law, and change of the exponent at which they stop.
const STEPS: usize = 50;
const SETTLED: f64 = 1e-10;

/// Write rates of a cache's keys at the origin, each shrunk towards the rate of keys with a similar number of reads.
///
/// A key's own count of writes is a poor estimate of its rate: even the most read keys, which dominate the stale share,
/// are often written once or never. The model is Poisson counts with gamma-distributed rates around a power law of the
/// number of reads. Each rate is its posterior mean.
///
/// # Reference
/// Robbins (1956), "An empirical Bayes approach to statistics"; Lawless (1987), "Negative binomial and mixed Poisson
/// regression", with the shape from the method of moments.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteRates {
    /// Expected writes in the observed span, one entry per key.
    expected: Vec<f64>,
    span_ms: f64,
}

impl WriteRates {
    /// Estimates the rates from (reads, writes) of each key over `span_ms` > 0; `None` without a write or a span.
    ///
    /// ```
    /// use almanac_models::ttl::WriteRates;
    /// let counts = [(100.0, 2.0), (50.0, 0.0), (60.0, 1.0), (80.0, 1.0)];
    /// let rates = WriteRates::fit(&counts, 1_000.0).unwrap();
    /// // A key without a write in the span still has a positive rate.
    /// assert!(rates.per_ms(1) > 0.0 && rates.per_ms(1) < rates.per_ms(0));
    /// ```
    #[must_use]
    pub fn fit(counts: &[(f64, f64)], span_ms: f64) -> Option<Self> {
        let writes: f64 = counts.iter().map(|count| count.1).sum();
        if !(writes > 0.0 && writes.is_finite() && span_ms > 0.0 && span_ms.is_finite()) {
            return None;
        }
        let means = power_law(counts);
        // Method of moments for the gamma shape: Var(n) = m + m²/shape.
        let squares: f64 = means.iter().map(|mean| mean * mean).sum();
        let beyond: f64 = means.iter().zip(counts).map(|(mean, (_, n))| (n - mean).powi(2) - mean).sum();
        let expected = if beyond > 1e-9 * squares {
            let shape = squares / beyond;
            let rate = |(mean, (_, n)): (&f64, &(f64, f64))| (n + shape) / (1.0 + shape / mean.max(f64::MIN_POSITIVE));
            means.iter().zip(counts).map(rate).collect()
        } else {
            // No overdispersion: the power law alone explains the counts.
            means
        };
        Some(Self { expected, span_ms })
    }

    /// Returns the writes per millisecond of the key at this index of the counts; 0 beyond the last.
    #[must_use]
    pub fn per_ms(&self, key: usize) -> f64 {
        self.expected.get(key).map_or(0.0, |expected| expected / self.span_ms)
    }
}

/// Fits a Poisson regression of writes on the logarithm of reads. Returns the mean of each key.
fn power_law(counts: &[(f64, f64)]) -> Vec<f64> {
    let x: Vec<f64> = counts.iter().map(|(reads, _)| (reads + 0.5).ln()).collect();
    let writes: f64 = counts.iter().map(|count| count.1).sum();
    let mut exponent = 0.0_f64;
    let means = |exponent: f64| {
        // The exponent determines the factor: the means must sum to the number of writes.
        let largest = x.iter().map(|x| exponent * x).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = x.iter().map(|x| (exponent * x - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| writes * weight / sum).collect::<Vec<f64>>()
    };
    let target = counts.iter().zip(&x).map(|((_, n), x)| n * x).sum::<f64>() / writes;
    for _ in 0..STEPS {
        let weights = means(exponent);
        let mean = weights.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() / writes;
        let variance = weights.iter().zip(&x).map(|(w, x)| w * (x - mean).powi(2)).sum::<f64>() / writes;
        // All keys have the same number of reads: the exponent is not identifiable.
        if variance <= 1e-12 {
            break;
        }
        let step = ((target - mean) / variance).clamp(-1.0, 1.0);
        // Limits that no real cache exceeds: writes proportional to the fourth power of reads.
        exponent = (exponent + step).clamp(-4.0, 4.0);
        if step.abs() < SETTLED {
            break;
        }
    }
    means(exponent)
}

/// Returns the hits of one key and the expected number of stale ones, for writes independent of the reads: a hit on a
/// copy with m expected writes since its fill is stale with probability 1 − e^{−m}.
///
/// `writes`: expected number of writes between two moments, ≥ 0; μ·age at a constant rate μ. `events`, `ttl_ms`,
/// `window`: as for [`replay`](super::replay). Writes among the events are ignored; deletions drop the copy. Time
/// O(events).
///
/// ```
/// use almanac_models::ttl::{Access, KeyEvent, Window, expected_stale_hits};
/// let reads = [0, 4, 8].map(|at_ms| KeyEvent { at_ms, access: Access::Get });
/// let (hits, stale) = expected_stale_hits(&reads, 10, |from, until| 0.1 * (until - from) as f64, Window { start_ms: 0, end_ms: 20 });
/// assert_eq!(hits, 2.0);
/// assert!((stale - (2.0 - f64::exp(-0.4) - f64::exp(-0.8))).abs() < 1e-12);
/// ```
#[must_use]
pub fn expected_stale_hits(
    events: &[KeyEvent],
    ttl_ms: impl Lifetime,
    writes: impl Fn(i64, i64) -> f64,
    window: Window,
) -> (f64, f64) {
    let (mut hits, mut stale) = (0.0, 0.0);
    let mut copy: Option<(i64, i64)> = None;
    let inside = |event: &&KeyEvent| event.at_ms >= window.start_ms && event.at_ms <= window.end_ms;
    for event in events.iter().filter(inside) {
        match event.access {
            Access::Get => match copy {
                Some((filled_ms, ttl_ms)) if event.at_ms.saturating_sub(filled_ms) < ttl_ms => {
                    hits += 1.0;
                    stale -= (-writes(filled_ms, event.at_ms)).exp_m1();
                }
                _ => copy = Some((event.at_ms, ttl_ms.ttl_ms(event.at_ms))),
            },
            Access::Delete => copy = None,
            Access::Write => {}
        }
    }
    (hits, stale)
}

#[cfg(test)]
mod tests {
    use super::super::{OnWrite, replay};
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_distr::{Distribution, Poisson};

    fn at_rate(per_ms: f64) -> impl Fn(i64, i64) -> f64 {
        move |from, until| per_ms * f64::from(i32::try_from(until - from).unwrap())
    }

    #[test]
    fn a_power_law_is_found_and_scatter_around_it_kept() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for exponent in [0.0, 0.5, 1.0] {
            let truth: Vec<(f64, f64)> = (1..=2_000)
                .map(|rank| {
                    let reads = 1e5 / f64::from(rank);
                    (reads, 0.05 * reads.powf(exponent))
                })
                .collect();
            let counts: Vec<(f64, f64)> =
                truth.iter().map(|&(reads, mean)| (reads, Poisson::new(mean).unwrap().sample(&mut rng))).collect();
            let rates = WriteRates::fit(&counts, 1.0).unwrap();
            let error = |rate: &dyn Fn(usize) -> f64| {
                truth.iter().enumerate().map(|(key, (_, mean))| (rate(key) - mean).powi(2)).sum::<f64>()
            };
            let (ours, naive) = (error(&|key| rates.per_ms(key)), error(&|key| counts[key].1));
            assert!(ours < 0.2 * naive, "{exponent}: {ours} {naive}");
        }
        // Half of the keys are never written, the others often: strong overdispersion, hardly any shrinkage.
        let counts: Vec<(f64, f64)> = (0..200).map(|key| (10.0, if key % 2 == 0 { 0.0 } else { 40.0 })).collect();
        let rates = WriteRates::fit(&counts, 1.0).unwrap();
        assert!(rates.per_ms(0) < 2.0 && rates.per_ms(1) > 36.0, "{} {}", rates.per_ms(0), rates.per_ms(1));
    }

    #[test]
    fn the_mean_over_simulated_writes_equals_the_expectation() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        let reads: Vec<i64> = (0..400).map(|read| read * 37 % 10_007).collect();
        let (rate, window) = (3e-4, Window { start_ms: 0, end_ms: 10_007 });
        let mut stale = 0.0;
        for _ in 0..2_000 {
            let mut events: Vec<KeyEvent> =
                reads.iter().map(|&at_ms| KeyEvent { at_ms, access: Access::Get }).collect();
            // Gaps of a Poisson process are exponential.
            let mut at = 0.0;
            loop {
                at -= (1.0 - rng.random::<f64>()).ln() / rate;
                if at >= 10_007.0 {
                    break;
                }
                #[expect(clippy::cast_possible_truncation, reason = "below 10,007")]
                events.push(KeyEvent { at_ms: at as i64, access: Access::Write });
            }
            events.sort_by_key(|event| event.at_ms);
            stale += replay(&events, 2_000, OnWrite::Keep, window).stale_hits / 2_000.0;
        }
        let mut events: Vec<KeyEvent> = reads.iter().map(|&at_ms| KeyEvent { at_ms, access: Access::Get }).collect();
        events.sort_by_key(|event| event.at_ms);
        let (_, expected) = expected_stale_hits(&events, 2_000, at_rate(rate), window);
        assert!((stale / expected - 1.0).abs() < 0.03, "{stale} {expected}");
    }

    proptest! {
        #[test]
        fn hits_are_those_of_the_replay(
            rows in prop::collection::vec((0_i64..12, prop_oneof![4 => Just(Access::Get), 1 => Just(Access::Write), 1 => Just(Access::Delete)]), 0..60),
            ttl_ms in 1_i64..40, rate in 0.0_f64..2.0,
        ) {
            let mut at_ms = 0;
            let events: Vec<KeyEvent> = rows.into_iter().map(|(gap, access)| { at_ms += gap; KeyEvent { at_ms, access } }).collect();
            let window = Window { start_ms: 0, end_ms: at_ms };
            let (hits, stale) = expected_stale_hits(&events, ttl_ms, at_rate(rate), window);
            prop_assert!((hits - replay(&events, ttl_ms, OnWrite::Keep, window).hits).abs() < 0.5);
            prop_assert!((0.0..=hits).contains(&stale));
        }

        /// Rates are finite and not negative.
        #[test]
        fn any_counts_have_rates(counts in prop::collection::vec((0.0_f64..1e6, 0.0_f64..1e4), 0..40)) {
            let counts: Vec<(f64, f64)> = counts.into_iter().map(|(reads, writes)| (reads.floor(), writes.floor())).collect();
            if let Some(rates) = WriteRates::fit(&counts, 5.0) {
                prop_assert!((0..counts.len()).all(|key| rates.per_ms(key) >= 0.0 && rates.per_ms(key).is_finite()));
            }
        }
    }
}
