//! Durations that are expressions: `[2 * step()]`, `offset (1h / 2)`. Those of constants are computed by the parser, the
//! others when the step and the range of the query are known.

/// Maximum duration, as in Prometheus: 2^63 nanoseconds, 292 years.
pub(super) const LONGEST_MS: i64 = i64::MAX / 1_000_000;

/// A duration as written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::signal) enum DurationNode {
    /// A number of seconds, or a number with a unit.
    Number { seconds: f64, has_unit: bool },
    /// `step()`: the step of the query; 0 for an instant query.
    Step,
    /// `range()`: from the start of the query to its end; 0 for an instant query.
    Range,
    /// A sign before an operand.
    Signed { negative: bool, inner: Box<DurationNode> },
    /// `+ - * / % ^`
    Arithmetic { op: DurationOp, left: Box<DurationNode>, right: Box<DurationNode> },
    /// `min_of(a, b)`
    LeastOf(Box<DurationNode>, Box<DurationNode>),
    /// `max_of(a, b)`
    GreatestOf(Box<DurationNode>, Box<DurationNode>),
    /// An operand in brackets.
    Bracketed(Box<DurationNode>),
}

/// An operator between durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

/// Operators as written, with the strength of their binding.
const OPERATORS: [(&str, DurationOp, u8); 6] = [
    ("+", DurationOp::Add, 1),
    ("-", DurationOp::Sub, 1),
    ("*", DurationOp::Mul, 2),
    ("/", DurationOp::Div, 2),
    ("%", DurationOp::Mod, 2),
    ("^", DurationOp::Pow, 3),
];

impl DurationOp {
    /// Returns the operator of a symbol, and the strength of its binding from 1.
    pub(in crate::signal) fn of(symbol: &str) -> Option<(Self, u8)> {
        OPERATORS.iter().find(|(name, ..)| *name == symbol).map(|(_, op, strength)| (*op, *strength))
    }

    /// Returns the operator as written.
    pub(in crate::signal) fn symbol(self) -> &'static str {
        OPERATORS.iter().find(|(_, op, _)| *op == self).map_or("", |(name, ..)| *name)
    }
}

/// Step and range of a query in seconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::signal) struct QuerySpan {
    pub(in crate::signal) step: f64,
    pub(in crate::signal) range: f64,
}

impl DurationNode {
    /// Whether the value needs no query.
    pub(in crate::signal) fn is_constant(&self) -> bool {
        match self {
            Self::Number { .. } => true,
            Self::Step | Self::Range => false,
            Self::Signed { inner, .. } | Self::Bracketed(inner) => inner.is_constant(),
            Self::Arithmetic { left, right, .. } | Self::LeastOf(left, right) | Self::GreatestOf(left, right) => {
                left.is_constant() && right.is_constant()
            }
        }
    }

    /// Whether this is a number as written, not an expression.
    pub(in crate::signal) fn is_number(&self) -> bool {
        match self {
            Self::Number { .. } => true,
            Self::Signed { inner, .. } => matches!(**inner, Self::Number { .. }),
            _ => false,
        }
    }

    /// Returns the value in seconds.
    ///
    /// # Errors
    /// A description of a division by zero.
    pub(in crate::signal) fn seconds(&self, span: QuerySpan) -> Result<f64, String> {
        Ok(match self {
            Self::Number { seconds, .. } => *seconds,
            Self::Step => span.step,
            Self::Range => span.range,
            Self::Signed { negative, inner } => {
                let value = inner.seconds(span)?;
                if *negative { -value } else { value }
            }
            Self::Bracketed(inner) => inner.seconds(span)?,
            Self::LeastOf(left, right) => left.seconds(span)?.min(right.seconds(span)?),
            Self::GreatestOf(left, right) => left.seconds(span)?.max(right.seconds(span)?),
            Self::Arithmetic { op, left, right } => {
                let (left, right) = (left.seconds(span)?, right.seconds(span)?);
                match op {
                    DurationOp::Add => left + right,
                    DurationOp::Sub => left - right,
                    DurationOp::Mul => left * right,
                    DurationOp::Div | DurationOp::Mod if right == 0.0 => {
                        return Err(format!("a duration is divided by zero with {}", op.symbol()));
                    }
                    DurationOp::Div => left / right,
                    DurationOp::Mod => left % right,
                    DurationOp::Pow => left.powf(right),
                }
            }
        })
    }

    /// Returns the value in milliseconds.
    ///
    /// # Errors
    /// A description of a value that is not finite, longer than 292 years or, unless `any_sign`, not positive.
    pub(in crate::signal) fn milliseconds(&self, span: QuerySpan, any_sign: bool) -> Result<i64, String> {
        let seconds = self.seconds(span)?;
        if !seconds.is_finite() {
            return Err("a duration is not a finite number".to_owned());
        }
        if seconds == 0.0 && !any_sign {
            return Err("a duration must last at least a millisecond".to_owned());
        }
        if seconds < 0.0 && !any_sign {
            return Err(format!("a duration must be greater than 0, this one is {seconds} s"));
        }
        #[expect(clippy::cast_precision_loss, reason = "compared with a bound")]
        let longest = LONGEST_MS as f64;
        // A number is rounded, the result of an expression is truncated, both as in Prometheus.
        let ms = if self.is_number() { (seconds * 1000.0).round() } else { (seconds * 1000.0).trunc() };
        if ms.abs() > longest {
            return Err("a duration is out of range; the longest is 292 years".to_owned());
        }
        #[expect(clippy::cast_possible_truncation, reason = "within the range just checked")]
        let ms = ms as i64;
        if ms == 0 && !any_sign {
            return Err("a duration must last at least a millisecond".to_owned());
        }
        Ok(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let span = QuerySpan { step: 15.0, range: 60.0 };
        let number = |seconds: f64| Box::new(DurationNode::Number { seconds, has_unit: false });
        let of = |op, left, right| DurationNode::Arithmetic { op, left, right };
        let twice = of(DurationOp::Mul, number(2.0), Box::new(DurationNode::Step));
        assert_eq!(twice.milliseconds(span, false), Ok(30_000));
        assert!(!twice.is_constant() && of(DurationOp::Add, number(1.0), number(2.0)).is_constant());
        let past = of(DurationOp::Sub, number(1.0), Box::new(DurationNode::Range));
        assert_eq!(past.milliseconds(span, true), Ok(-59_000));
        for (wrong, part) in [
            (past, "greater than 0"),
            (of(DurationOp::Div, number(1.0), number(0.0)), "divided by zero"),
            (of(DurationOp::Pow, number(10.0), number(300.0)), "out of range"),
            (of(DurationOp::Pow, number(10.0), number(400.0)), "finite"),
            (DurationNode::Number { seconds: 1e-4, has_unit: false }, "millisecond"),
        ] {
            assert!(wrong.milliseconds(span, false).unwrap_err().contains(part), "{wrong:?}");
        }
    }
}
