//! How far out ordinary values reach: a generalised Pareto tail over a high quantile.

use crate::stats::quantile_sorted;

/// Share of values that count as the tail.
const TAIL: f64 = 0.02;
/// Excesses without which no tail is fitted.
const LEAST_EXCESSES: usize = 10;
/// Bound in mean absolute deviations while the tail cannot be fitted.
const FALLBACK: f64 = 8.0;

/// Where the body ends and where what may be anomalies begins: between the two an exponential course is read, and the
/// bound goes at most `BODY_REACH` times as far. Without it a service with an incident a day, 3 % of its time, teaches
/// its own incidents as ordinary (seen on four simulated weeks: bands ten times too wide from the fourth incident on).
const BODY: [f64; 2] = [0.85, 0.95];
const BODY_REACH: f64 = 1.5;

/// How a body goes on beyond what is read of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// Exponent of the tail exp(−x^shape): 1 exponential, 2 as a normal law.
    pub shape: f64,
    /// How many times as far the bound may go at most.
    pub reach: f64,
}

impl Body {
    /// Single values.
    pub(crate) const VALUES: Self = Self { shape: 1.0, reach: BODY_REACH };
}

/// Bounds that ordinary magnitudes exceed with a given probability, from the last `kept` of them.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    ring: Vec<f64>,
    next: usize,
    kept: usize,
    since: usize,
    risk: f64,
    bound: f64,
    body: Body,
}

impl Tail {
    pub(crate) fn new(kept: usize, risk: f64, body: Body) -> Self {
        Self { ring: Vec::new(), next: 0, kept, since: 0, risk, bound: FALLBACK, body }
    }

    /// Learns one magnitude, at least 0; the bound follows every 64 values, so that a value costs O(1) amortised for a
    /// ring of fixed length.
    pub(crate) fn push(&mut self, magnitude: f64) {
        if self.ring.len() < self.kept {
            self.ring.push(magnitude);
        } else {
            self.ring[self.next] = magnitude;
            self.next = (self.next + 1) % self.kept;
        }
        self.since += 1;
        if self.since >= (self.ring.len() / 8).max(64) {
            self.since = 0;
            let mut sorted = self.ring.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            self.bound = bound(&sorted, self.risk, self.body);
        }
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.kept, self.risk, self.body);
    }

    /// What an ordinary magnitude exceeds with probability `risk`.
    pub(crate) fn bound(&self) -> f64 {
        self.bound
    }
}

/// The magnitude exceeded with probability `risk`, from sorted magnitudes, by peaks over threshold.
///
/// # Reference
/// Hosking & Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution: probability
/// weighted moments. Siffer et al. (2017), Anomaly detection in streams with extreme value theory. Deviates: the shape
/// is held between 0 (exponential) and 0.5, since a light tail fitted to few excesses cries wolf.
pub(crate) fn bound(sorted: &[f64], risk: f64, body: Body) -> f64 {
    let threshold = quantile_sorted(sorted, 1.0 - TAIL).unwrap_or(0.0);
    let excesses: Vec<f64> =
        sorted[sorted.partition_point(|v| *v <= threshold)..].iter().map(|v| v - threshold).collect();
    let n = excesses.len();
    if n < LEAST_EXCESSES {
        return FALLBACK.max(1.5 * sorted.last().copied().unwrap_or(0.0).min(2.0 * FALLBACK));
    }
    let mean = excesses.iter().sum::<f64>() / n as f64;
    let weighted =
        excesses.iter().enumerate().map(|(i, x)| x * (1.0 - (i as f64 + 0.65) / n as f64)).sum::<f64>() / n as f64;
    let spread = mean - 2.0 * weighted;
    let (shape, scale) = if spread > 1e-12 * mean {
        let shape = (2.0 - mean / spread).clamp(0.0, 0.5);
        (shape, mean * (1.0 - shape))
    } else {
        (0.5, 0.5 * mean)
    };
    let ratio = risk * sorted.len() as f64 / n as f64;
    let reach = if shape < 1e-6 { -scale * ratio.ln() } else { scale / shape * (ratio.powf(-shape) - 1.0) };
    (threshold + reach).min(body_bound(sorted, risk, body).unwrap_or(f64::INFINITY)).max(1e-9)
}

/// The same from the body alone, as if it went on as `body` says; `None` when the body does not vary.
fn body_bound(sorted: &[f64], risk: f64, body: Body) -> Option<f64> {
    let (low, high) = (quantile_sorted(sorted, BODY[0])?, quantile_sorted(sorted, BODY[1])?);
    // Magnitudes whose tail is exp(−x^shape), in their own unit.
    let at = |p: f64| (-p.ln()).powf(1.0 / body.shape);
    let (from, to) = (at(1.0 - BODY[0]), at(1.0 - BODY[1]));
    let scale = (high - low) / (to - from);
    (scale > 0.0).then(|| body.reach * (low + scale * (at(risk) - from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_tail_is_found() {
        // Quantiles of the unit exponential: the bound at risk q is −ln q.
        let sorted: Vec<f64> = (0..20_000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()).collect();
        let found = bound(&sorted, 1e-4, Body::VALUES);
        assert!((found - 9.21).abs() < 0.4, "{found}");
    }

    #[test]
    fn a_body_goes_on_as_its_law_says() {
        // Magnitudes with the tail exp(−x²): the bound at risk q is √(−ln q).
        let sorted: Vec<f64> = (0..20_000).map(|i| (-(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()).sqrt()).collect();
        let found = body_bound(&sorted, 1e-4, Body { shape: 2.0, reach: 1.0 }).unwrap();
        assert!((found - 3.035).abs() < 0.01, "{found}");
    }

    #[test]
    fn few_or_equal_values_fall_back() {
        assert!(bound(&[], 1e-4, Body::VALUES) >= FALLBACK);
        assert!(bound(&[0.0; 500], 1e-4, Body::VALUES) > 0.0);
        assert!(bound(&[1.0; 5], 1e-4, Body::VALUES) >= FALLBACK);
    }
}
