//! Which values a series can take, by what it took.

/// Bounds that a series never left, and whether it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Support {
    low: f64,
    high: f64,
    whole: bool,
}

/// Share of a bound of 1 from which a series that stays below counts as a ratio.
const NEAR: f64 = 0.9;
/// Values at 100 exactly, none above, that make a percentage.
const AT_HUNDRED: usize = 3;
/// Numbers beyond this have no digits for a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Support {
    /// Without any bound.
    pub(crate) const REAL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, whole: false };

    /// Of the values of `y`, NaN where missing.
    pub(crate) fn of(y: &[f64]) -> Self {
        let (mut low, mut high, mut whole, mut hundred) = (f64::INFINITY, f64::NEG_INFINITY, true, 0);
        for &v in y.iter().filter(|v| v.is_finite()) {
            low = low.min(v);
            high = high.max(v);
            whole = whole && v.fract() == 0.0 && v.abs() < EXACT;
            hundred += usize::from(v >= 100.0);
        }
        if !low.is_finite() {
            return Self::REAL;
        }
        if low < 0.0 {
            return Self { whole, ..Self::REAL };
        }
        let bound = if (NEAR..=1.0).contains(&high) {
            1.0
        } else if high <= 100.0 && hundred >= AT_HUNDRED {
            100.0
        } else {
            f64::INFINITY
        };
        Self { low: 0.0, high: bound, whole }
    }

    /// The upper bound of a ratio, if it is one.
    pub(crate) fn upper(self) -> Option<f64> {
        self.high.is_finite().then_some(self.high)
    }

    /// The nearest value within the bounds.
    pub(crate) fn held(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// The quantile `p` of a count: the whole number that is further out.
    pub(crate) fn rounded(self, value: f64, p: f64) -> f64 {
        // What rounding in the logarithm left of a whole number is none.
        let slack = 1e-9 * value.abs().max(1.0);
        match self.whole {
            true if p < 0.5 => (value + slack).floor(),
            true if p > 0.5 => (value - slack).ceil(),
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_seen() {
        assert_eq!(Support::of(&[-1.0, 2.5]), Support::REAL);
        assert_eq!(Support::of(&[]), Support::REAL);
        assert_eq!(Support::of(&[0.2, 0.95]).upper(), Some(1.0));
        assert_eq!(Support::of(&[0.2, 0.5]).upper(), None);
        assert_eq!(Support::of(&[40.0, 100.0]).upper(), None, "once may be chance");
        assert_eq!(Support::of(&[40.5, 100.0, 100.0, f64::NAN, 100.0]).upper(), Some(100.0));
        assert!((Support::of(&[0.2, 0.95]).held(1.2) - 1.0).abs() < 1e-12);
        let counts = Support::of(&[0.0, 3.0, 7.0]);
        assert_eq!(
            (counts.rounded(2.4, 0.1), counts.rounded(2.4, 0.9), counts.rounded(3.0 + 1e-12, 0.9)),
            (2.0, 3.0, 3.0)
        );
    }
}
