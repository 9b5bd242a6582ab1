//! Bounds of ordinary magnitudes: a generalised Pareto tail over a high quantile, limited by the body.

use super::histogram::Histogram;

/// Share of values in the tail.
const TAIL: f64 = 0.02;
/// Smallest number of excesses for a fit.
const LEAST_EXCESSES: f64 = 10.0;
/// Bound in mean absolute deviations while the tail cannot be fitted.
const FALLBACK: f64 = 8.0;

/// Quantiles of the body. The exponential law through the two limits the bound to `BODY_REACH` times its own bound.
/// Otherwise the tail would learn the incidents of a service that has one a day. Measured effect:
/// `docs/tuning/anomaly.md`.
const BODY: [f64; 2] = [0.85, 0.95];
const BODY_REACH: f64 = 1.5;

/// Law by which the body is extrapolated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// Exponent of the tail exp(−x^shape): 1 is exponential, 2 is like a normal law.
    pub shape: f64,
    /// Largest ratio of the bound to that of the body.
    pub reach: f64,
}

impl Body {
    /// The body of single values.
    pub(crate) const VALUES: Self = Self { shape: 1.0, reach: BODY_REACH };
}

/// The bound that ordinary magnitudes exceed with a given probability, from the last few thousand of them.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    seen: Histogram,
    since: f64,
    risk: f64,
    bound: f64,
    body: Body,
}

impl Tail {
    pub(crate) fn new(kept: f64, risk: f64, body: Body) -> Self {
        Self { seen: Histogram::new(kept), since: 0.0, risk, bound: FALLBACK, body }
    }

    /// Learns one magnitude, at least 0. The bound is fitted anew after an eighth of the magnitudes it is fitted to.
    pub(crate) fn push(&mut self, magnitude: f64) {
        self.seen.push(magnitude);
        self.since += 1.0;
        if self.since >= (self.seen.total() / 8.0).max(64.0) {
            self.since = 0.0;
            self.bound = bound(&self.seen, self.risk, self.body);
        }
    }

    /// Returns the bound that an ordinary magnitude exceeds with probability `risk`.
    pub(crate) fn bound(&self) -> f64 {
        self.bound
    }
}

/// Returns the magnitude exceeded with probability `risk`, by peaks over threshold.
///
/// # Reference
/// Hosking & Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution: probability
/// weighted moments. Siffer et al. (2017), Anomaly detection in streams with extreme value theory. Deviates: the shape
/// is limited to 0 (exponential) to 0.5, since a light tail fitted to few excesses gives false alarms.
pub(crate) fn bound(seen: &Histogram, risk: f64, body: Body) -> f64 {
    let [largest, threshold, high, low] = seen.reached_by([0.0, TAIL, 1.0 - BODY[1], 1.0 - BODY[0]]);
    let n: f64 = seen.above(threshold).map(|(_, count)| count).sum();
    if n < LEAST_EXCESSES {
        return FALLBACK.max(1.5 * largest.min(2.0 * FALLBACK));
    }
    // Mean excess, and the mean weighted by the share of excesses that are larger.
    let (mut mean, mut weighted, mut below) = (0.0, 0.0, 0.0);
    for (magnitude, count) in seen.above(threshold) {
        let excess = magnitude - threshold;
        mean += excess * count;
        weighted += excess * count * (1.0 - (below + 0.5 * count) / n);
        below += count;
    }
    (mean, weighted) = (mean / n, weighted / n);
    let spread = mean - 2.0 * weighted;
    let (shape, scale) = if spread > 1e-12 * mean {
        let shape = (2.0 - mean / spread).clamp(0.0, 0.5);
        (shape, mean * (1.0 - shape))
    } else {
        (0.5, 0.5 * mean)
    };
    let ratio = risk * seen.total() / n;
    let reach = if shape < 1e-6 { -scale * ratio.ln() } else { scale / shape * (ratio.powf(-shape) - 1.0) };
    (threshold + reach).min(body_bound(low, high, risk, body).unwrap_or(f64::INFINITY)).max(1e-9)
}

/// Returns the same from two quantiles of the body, extrapolated by the law `body`; `None` when the quantiles are
/// equal.
fn body_bound(low: f64, high: f64, risk: f64, body: Body) -> Option<f64> {
    // Quantile function of the tail exp(−x^shape), in its own unit.
    let at = |p: f64| (-p.ln()).powf(1.0 / body.shape);
    let (from, to) = (at(1.0 - BODY[0]), at(1.0 - BODY[1]));
    let scale = (high - low) / (to - from);
    (scale > 0.0).then(|| body.reach * (low + scale * (at(risk) - from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(magnitudes: impl Iterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram::new(1e9);
        magnitudes.for_each(|m| histogram.push(m));
        histogram
    }

    #[test]
    fn exponential_tail_is_found() {
        // Quantiles of the unit exponential: the bound at risk q is −ln q.
        let seen = filled((0..20_000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()));
        let found = bound(&seen, 1e-4, Body::VALUES);
        assert!((found - 9.21).abs() < 0.4, "{found}");
    }

    #[test]
    fn a_body_is_extrapolated_by_its_law() {
        // Magnitudes with the tail exp(−x²): the bound at risk q is √(−ln q).
        let at = |p: f64| (-(1.0 - p).ln()).sqrt();
        let found = body_bound(at(0.85), at(0.95), 1e-4, Body { shape: 2.0, reach: 1.0 }).unwrap();
        assert!((found - 3.035).abs() < 0.01, "{found}");
    }

    #[test]
    fn few_or_equal_values_fall_back() {
        assert!(bound(&filled(std::iter::empty()), 1e-4, Body::VALUES) >= FALLBACK);
        assert!(bound(&filled((0..500).map(|_| 0.0)), 1e-4, Body::VALUES) > 0.0);
        assert!(bound(&filled((0..5).map(|_| 1.0)), 1e-4, Body::VALUES) >= FALLBACK);
    }
}
