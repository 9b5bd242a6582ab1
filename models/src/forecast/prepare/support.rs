//! The support of a series: which values it can take, inferred from the values it took.

/// Bounds that a series never exceeded, and whether all its values are whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Support {
    low: f64,
    high: f64,
    whole: bool,
}

/// Upper bounds of ratios and percentages.
const BOUNDS: [f64; 2] = [1.0, 100.0];
/// A bound is recognised by `REACHED` values within the share `NEAR` below it and none above. A latency that came close
/// to one second once has no bound there, and its forecast must not be clamped.
const NEAR: f64 = 0.01;
const REACHED: usize = 3;
/// Maximum rounding error of a whole number.
const ROUNDING: f64 = 1e-6;
/// 2^53: larger numbers have no fractional digits.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Support {
    /// Any real number.
    pub(crate) const REAL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, whole: false };

    /// Infers the support from the values of `y`, NaN where missing.
    pub(crate) fn of(y: &[f64]) -> Self {
        let (mut low, mut high, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for &v in y.iter().filter(|v| v.is_finite()) {
            low = low.min(v);
            high = high.max(v);
            whole = whole && v.fract() == 0.0 && v.abs() < EXACT;
        }
        if !low.is_finite() {
            return Self::REAL;
        }
        if low < 0.0 {
            return Self { whole, ..Self::REAL };
        }
        let bound = BOUNDS.into_iter().find(|bound| high <= *bound && reaches(y, *bound, whole));
        Self { low: 0.0, high: bound.unwrap_or(f64::INFINITY), whole }
    }

    /// Returns the upper bound, if there is one.
    pub(crate) fn upper(self) -> Option<f64> {
        self.high.is_finite().then_some(self.high)
    }

    /// Removes the rounding error of a whole number of a count; returns other values unchanged.
    pub(crate) fn snap(self, value: f64) -> f64 {
        if self.whole && (value - value.round()).abs() < ROUNDING { value.round() } else { value }
    }

    /// Returns the largest possible value that is not above `value`: a whole number for counts.
    pub(crate) fn floor(self, value: f64) -> f64 {
        if self.whole { value.floor() } else { value }
    }

    /// Returns the smallest possible value that is not below `value`: a whole number for counts.
    pub(crate) fn ceil(self, value: f64) -> f64 {
        if self.whole { value.ceil() } else { value }
    }

    /// Returns whether all values are whole and none is negative.
    pub(crate) fn is_count(self) -> bool {
        self.whole && self.low >= 0.0
    }

    /// Returns the nearest value within the bounds.
    pub(crate) fn clamp(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// Returns how far a value may exceed the end of an interval and still be inside after rounding: 0.5 for counts.
    pub(crate) fn half_step(self) -> f64 {
        if self.whole { 0.5 } else { 0.0 }
    }

    /// Rounds a quantile of a count to the nearest whole number. A count represents the range of ±0.5 around it, so
    /// this is the smallest count with the required cumulative probability. Tried values: `docs/tuning/forecast.md`.
    pub(crate) fn rounded(self, value: f64) -> f64 {
        if self.whole { value.round() } else { value }
    }
}

/// Returns whether `y`, which does not exceed `bound`, reaches it: by several values near it or, where all are whole,
/// by at least half of the values. A flag reaches 1 in this sense, a count of rare events does not.
fn reaches(y: &[f64], bound: f64, whole: bool) -> bool {
    let seen = y.iter().filter(|v| v.is_finite()).count();
    let near = y.iter().filter(|v| **v >= (1.0 - NEAR) * bound).count();
    near >= if whole { REACHED.max(seen.div_ceil(2)) } else { REACHED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_seen() {
        assert_eq!(Support::of(&[-1.0, 2.5]), Support::REAL);
        assert_eq!(Support::of(&[]), Support::REAL);
        let ratio = [0.2, 0.995, 1.0, f64::NAN, 0.992];
        assert_eq!(Support::of(&ratio).upper(), Some(1.0));
        assert_eq!(Support::of(&[0.2, 0.95, 0.93, 0.94]).upper(), None, "seconds, perhaps");
        assert_eq!(Support::of(&[40.0, 100.0]).upper(), None, "once may be chance");
        assert_eq!(Support::of(&[40.5, 100.0, 100.0, f64::NAN, 100.0]).upper(), Some(100.0));
        assert_eq!(Support::of(&[0.0, 1.0, 1.0, 1.0]).upper(), Some(1.0), "a flag");
        assert_eq!(Support::of(&[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]).upper(), None, "rare events");
        assert!((Support::of(&ratio).clamp(1.2) - 1.0).abs() < 1e-12);
        let counts = Support::of(&[0.0, 3.0, 7.0]);
        let rounded = [2.4, 2.6, 3.0 + 1e-12].map(|v| counts.rounded(v));
        assert_eq!(rounded.map(f64::to_bits), [2.0, 3.0, 3.0].map(f64::to_bits));
    }
}
