//! Arithmetic operators and comparisons of two numbers.

use crate::signal::{frame::ABSENT, plan::BinaryOp};

/// Applies an operator to two values. A comparison returns the left value if it is true, else [`ABSENT`]; with `bool`
/// it returns 1 or 0.
pub(super) fn apply(op: BinaryOp, return_bool: bool, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        BinaryOp::Compare(compare) => match (compare.holds(left, right), return_bool) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            (true, false) => left,
            (false, false) => ABSENT,
        },
        // Only native histograms can be trimmed.
        BinaryOp::TrimUpper | BinaryOp::TrimLower => ABSENT,
        // Set operators compare labels, not values; see `sets`.
        BinaryOp::Set(_) => ABSENT,
    }
}

/// Whether the result has another meaning than the metric name, which is then dropped.
pub(super) fn changes_meaning(op: BinaryOp, return_bool: bool) -> bool {
    return_bool || !matches!(op, BinaryOp::Compare(_) | BinaryOp::Set(_))
}
