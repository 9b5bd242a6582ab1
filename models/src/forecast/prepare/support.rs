//! Which values a series can take, by what it took.

/// Bounds that a series never left, and whether it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Support {
    low: f64,
    high: f64,
    whole: bool,
}

/// Bounds that ratios and percentages have.
const BOUNDS: [f64; 2] = [1.0, 100.0];
/// Values within this share of a bound, none beyond, that show it: a latency that once came close to a second has no bound
/// there, and its forecast must not be cut off.
const NEAR: f64 = 0.01;
const REACHED: usize = 3;
/// What rounding may add to a whole number.
const ROUNDING: f64 = 1e-6;
/// Numbers beyond this have no digits for a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Support {
    /// Without any bound.
    pub(crate) const REAL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, whole: false };

    /// Of the values of `y`, NaN where missing.
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
        let bound = BOUNDS.into_iter().find(|bound| high <= *bound && shows(y, *bound, whole));
        Self { low: 0.0, high: bound.unwrap_or(f64::INFINITY), whole }
    }

    /// The upper bound of a ratio, if it is one.
    pub(crate) fn upper(self) -> Option<f64> {
        self.high.is_finite().then_some(self.high)
    }

    /// The whole number that a value of a count is but for rounding, else the value.
    pub(crate) fn snapped(self, value: f64) -> f64 {
        if self.whole && (value - value.round()).abs() < ROUNDING { value.round() } else { value }
    }

    /// The largest value that a series can take that is not above `value`: of counts a whole number.
    pub(crate) fn below(self, value: f64) -> f64 {
        if self.whole { value.floor() } else { value }
    }

    /// The least value that a series can take that is not below `value`: of counts a whole number.
    pub(crate) fn above(self, value: f64) -> f64 {
        if self.whole { value.ceil() } else { value }
    }

    /// Whether all values are whole and none is negative.
    pub(crate) fn counts(self) -> bool {
        self.whole && self.low >= 0.0
    }

    /// The nearest value within the bounds.
    pub(crate) fn held(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// How far beyond the end of an interval, before that is rounded, a value may lie and still be inside: counts half a step.
    pub(crate) fn half_step(self) -> f64 {
        if self.whole { 0.5 } else { 0.0 }
    }

    /// The quantile of a count: the nearest whole number. A count stands for all between the halves beside it, so that
    /// this is the least one that as much lies at or below as was promised; the one further out held 2 points too much of
    /// requests a minute.
    pub(crate) fn rounded(self, value: f64) -> f64 {
        if self.whole { value.round() } else { value }
    }
}

/// Whether `y`, which does not leave it, shows a bound: by values near it or, where all are whole, by standing at it half
/// of the time, as a flag does and a count of rare events does not.
fn shows(y: &[f64], bound: f64, whole: bool) -> bool {
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
        assert!((Support::of(&ratio).held(1.2) - 1.0).abs() < 1e-12);
        let counts = Support::of(&[0.0, 3.0, 7.0]);
        let rounded = [2.4, 2.6, 3.0 + 1e-12].map(|v| counts.rounded(v));
        assert_eq!(rounded.map(f64::to_bits), [2.0, 3.0, 3.0].map(f64::to_bits));
    }
}
