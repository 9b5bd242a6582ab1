//! Comparison operators, and the parts of an expression that compares a vector with a constant. Used for alerting
//! rules.

use super::{BinaryOp, Node, Query};

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterEqual,
    /// `<=`
    LessEqual,
}

impl CompareOp {
    /// Whether the comparison is true. With NaN on either side only `!=` is.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "PromQL compares floats exactly")]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::Less => left < right,
            Self::GreaterEqual => left >= right,
            Self::LessEqual => left <= right,
        }
    }

    /// Returns the operator as written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
        }
    }

    /// Returns the operator with exchanged sides: `a > b` is `b < a`.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::Less => Self::Greater,
            Self::GreaterEqual => Self::LessEqual,
            Self::LessEqual => Self::GreaterEqual,
            same @ (Self::Equal | Self::NotEqual) => same,
        }
    }
}

/// The parts of an alerting rule's expression: a vector compared with a constant.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The vector, from either side.
    pub left: Query,
    /// The comparison with the vector on the left.
    pub op: CompareOp,
    /// The constant.
    pub bound: f64,
}

impl Query {
    /// Returns the parts of `vector > constant`, with any comparison without `bool` and in either order. `None` if the
    /// outermost operation is another one.
    ///
    /// ```
    /// # fn main() -> Result<(), almanac_engine::signal::SignalError> {
    /// let rule = almanac_engine::signal::parse("0.5 < sum(rate(errors_total[5m]))")?;
    /// let parts = rule.comparison().expect("a comparison with a constant");
    /// assert_eq!((parts.op.symbol(), parts.bound), (">", 0.5));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        let Node::Binary(binary) = self.root().unwrapped() else { return None };
        let BinaryOp::Compare(op) = binary.op else { return None };
        if binary.return_bool {
            return None;
        }
        let (left, op, bound) = match (constant(&binary.left), constant(&binary.right)) {
            (None, Some(bound)) => (&binary.left, op, bound),
            (Some(bound), None) => (&binary.right, op.swapped(), bound),
            _ => return None,
        };
        Some(Comparison { left: self.part(left), op, bound })
    }
}

/// Returns the value of a number with any signs before it.
fn constant(node: &Node) -> Option<f64> {
    match node {
        Node::Number(value) | Node::Duration(value) => Some(*value),
        Node::Negate(inner) => constant(inner).map(|value| -value),
        Node::Plus(inner) | Node::Paren(inner) => constant(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::signal::parse;

    fn parts(expr: &str) -> Option<(&'static str, f64)> {
        parse(expr).unwrap().comparison().map(|parts| (parts.op.symbol(), parts.bound))
    }

    #[test]
    fn comparisons_with_constants_have_parts() {
        assert_eq!(parts("up == 0"), Some(("==", 0.0)));
        assert_eq!(parts("-1.5 >= a"), Some(("<=", -1.5)));
        assert_eq!(parts("(rate(a[5m])) > 1e3"), Some((">", 1e3)));
        for other in ["up", "up > bool 0", "up > down", "up + 1", "1 > bool 0"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
