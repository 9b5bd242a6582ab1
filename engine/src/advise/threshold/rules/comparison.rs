//! Comparison operators between a signal and its bound, and the PromQL notation of a bound.

/// Comparison of a signal with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
}

impl Comparison {
    /// Returns whether the comparison of `value` with `bound` is true; always false for NaN.
    #[must_use]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Greater => value > bound,
            Self::GreaterEqual => value >= bound,
            Self::Less => value < bound,
            Self::LessEqual => value <= bound,
        }
    }

    /// Returns whether large values breach.
    #[must_use]
    pub fn is_upper(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual)
    }

    /// Returns +1 if large values breach and −1 if small values do.
    #[must_use]
    pub fn sign(self) -> f64 {
        if self.is_upper() { 1.0 } else { -1.0 }
    }

    /// Returns the PromQL operator.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        }
    }

    /// Parses a PromQL operator.
    #[must_use]
    pub fn parse(symbol: &str) -> Option<Self> {
        [Self::Greater, Self::GreaterEqual, Self::Less, Self::LessEqual].into_iter().find(|one| one.symbol() == symbol)
    }

    /// Returns the same comparison with its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
        }
    }
}

/// Formats a number in PromQL notation without loss of precision.
#[must_use]
pub fn format_bound(bound: f64) -> String {
    match bound {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if bound != 0.0 && !(1e-6..1e15).contains(&bound.abs()) => format!("{bound:e}"),
        _ => bound.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_breaches_nothing() {
        for comparison in [Comparison::Greater, Comparison::GreaterEqual, Comparison::Less, Comparison::LessEqual] {
            assert!(!comparison.holds(f64::NAN, 0.0));
            assert_eq!(comparison.flipped().flipped(), comparison);
            assert_eq!(Comparison::parse(comparison.symbol()), Some(comparison));
        }
        assert!(Comparison::GreaterEqual.holds(1.0, 1.0) && !Comparison::Greater.holds(1.0, 1.0));
    }
}
