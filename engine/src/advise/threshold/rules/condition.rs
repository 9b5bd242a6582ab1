use promql_parser::parser::{
    BinaryExpr, Expr,
    token::{T_ADD, T_DIV, T_GTE, T_GTR, T_LSS, T_LTE, T_MUL, T_SUB, TokenId},
};

/// How a signal is compared with its bound.
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
    /// Whether `value` compares so with `bound`; never for NaN.
    #[must_use]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Greater => value > bound,
            Self::GreaterEqual => value >= bound,
            Self::Less => value < bound,
            Self::LessEqual => value <= bound,
        }
    }

    /// Whether large values breach.
    #[must_use]
    pub fn is_upper(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual)
    }

    /// As PromQL writes it.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        }
    }

    /// From what PromQL writes.
    #[must_use]
    pub fn parse(symbol: &str) -> Option<Self> {
        [Self::Greater, Self::GreaterEqual, Self::Less, Self::LessEqual].into_iter().find(|one| one.symbol() == symbol)
    }

    fn flipped(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
        }
    }

    fn of(token: TokenId) -> Option<Self> {
        match token {
            T_GTR => Some(Self::Greater),
            T_GTE => Some(Self::GreaterEqual),
            T_LSS => Some(Self::Less),
            T_LTE => Some(Self::LessEqual),
            _ => None,
        }
    }
}

/// An alerting expression taken apart: a signal compared with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The signal's expression.
    pub signal: String,
    /// The comparison, the signal on its left.
    pub comparison: Comparison,
    /// The constant.
    pub bound: f64,
}

impl Condition {
    /// The expression with another bound.
    #[must_use]
    pub fn with_bound(&self, bound: f64) -> String {
        format!("{} {} {}", self.signal, self.comparison.symbol(), format_bound(bound))
    }
}

impl Condition {
    /// The same condition on one series of a file.
    #[must_use]
    pub fn on_series(&self, series: &str) -> Self {
        let escaped = series.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Self { signal: format!("value{{series=\"{escaped}\"}}"), ..self.clone() }
    }
}

/// A number as PromQL reads it back without loss.
#[must_use]
pub fn format_bound(bound: f64) -> String {
    match bound {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if bound != 0.0 && !(1e-6..1e15).contains(&bound.abs()) => format!("{bound:e}"),
        _ => bound.to_string(),
    }
}

/// Takes `signal > X`, `X < signal` and their kin apart.
///
/// # Errors
/// Why it cannot be taken apart, as a sentence's end: "… kept as it is".
pub fn split_condition(expr: &str) -> Result<Condition, String> {
    let parsed = promql_parser::parser::parse(expr).map_err(|message| format!("it is not valid PromQL: {message}"))?;
    let Expr::Binary(binary) = unparenthesised(&parsed) else {
        return Err("it is not a comparison with a number".to_owned());
    };
    let Some(comparison) = Comparison::of(binary.op.id()) else {
        return Err(format!("its outermost operator {} is none of > >= < <=", binary.op));
    };
    if binary.return_bool() {
        return Err("a comparison with bool always gives a value, so the alert never resolves".to_owned());
    }
    let (signal, comparison, bound) = match (constant(&binary.lhs), constant(&binary.rhs)) {
        (None, Some(bound)) => (&binary.lhs, comparison, bound),
        (Some(bound), None) => (&binary.rhs, comparison.flipped(), bound),
        (Some(_), Some(_)) => return Err("it compares two numbers".to_owned()),
        (None, None) => return Err("it compares with something that is not a number".to_owned()),
    };
    let signal = match &**signal {
        operand @ Expr::Binary(_) => format!("({operand})"),
        operand => operand.to_string(),
    };
    Ok(Condition { signal, comparison, bound })
}

fn unparenthesised(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => unparenthesised(&inner.expr),
        other => other,
    }
}

/// The value of an expression of numbers alone.
fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(inner) => constant(&inner.expr),
        Expr::Unary(inner) => Some(-constant(&inner.expr)?),
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) => {
            let (left, right) = (constant(lhs)?, constant(rhs)?);
            match op.id() {
                T_ADD => Some(left + right),
                T_SUB => Some(left - right),
                T_MUL => Some(left * right),
                T_DIV => Some(left / right),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expr: &str, signal: &str, comparison: Comparison, bound: f64) {
        let condition = split_condition(expr).unwrap();
        assert_eq!(
            (condition.signal.as_str(), condition.comparison, condition.bound),
            (signal, comparison, bound),
            "{expr}"
        );
        let again = split_condition(&condition.with_bound(bound)).unwrap();
        assert_eq!(again, condition, "{expr}");
    }

    #[test]
    fn either_side_and_any_comparison() {
        check("value > 0.5", "value", Comparison::Greater, 0.5);
        check("0.5 < value", "value", Comparison::Greater, 0.5);
        check("(100 >= value)", "value", Comparison::LessEqual, 100.0);
        check("value{series=\"a b\"} <= -5", "value{series=\"a b\"}", Comparison::LessEqual, -5.0);
        check("rate(x[5m]) * 2 > 80 / 100", "(rate(x[5m]) * 2)", Comparison::Greater, 0.8);
        check("queue >= 1e-9", "queue", Comparison::GreaterEqual, 1e-9);
        check("queue < 3e20", "queue", Comparison::Less, 3e20);
    }

    #[test]
    fn what_cannot_be_taken_apart_says_why() {
        for (expr, why) in [
            ("up == 0", "its outermost operator == is none of > >= < <="),
            ("a > 1 and b > 2", "its outermost operator and is none of > >= < <="),
            ("a > bool 1", "a comparison with bool always gives a value, so the alert never resolves"),
            ("a > b", "it compares with something that is not a number"),
            ("absent(up)", "it is not a comparison with a number"),
        ] {
            assert_eq!(split_condition(expr).unwrap_err(), why, "{expr}");
        }
        assert!(split_condition("a >").unwrap_err().starts_with("it is not valid PromQL"));
    }

    #[test]
    fn nan_breaches_nothing() {
        for comparison in [Comparison::Greater, Comparison::GreaterEqual, Comparison::Less, Comparison::LessEqual] {
            assert!(!comparison.holds(f64::NAN, 0.0));
        }
        assert!(Comparison::GreaterEqual.holds(1.0, 1.0) && !Comparison::Greater.holds(1.0, 1.0));
    }
}
