//! Arithmetic operators and comparisons of two numbers.

use super::Operands;
use crate::signal::{
    frame::{ABSENT, is_histogram},
    plan::BinaryOp,
};

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

/// Applies an operator to two cells of vectors, which may be histograms.
pub(super) fn cells(op: BinaryOp, return_bool: bool, left: f64, right: f64, operands: Operands<'_>) -> f64 {
    let trims = matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    if trims || is_histogram(left) || is_histogram(right) {
        return operands.apply(op, return_bool, left, right);
    }
    apply(op, return_bool, left, right)
}

/// Whether the result has another meaning than the metric name, which is then dropped.
pub(super) fn changes_meaning(op: BinaryOp, return_bool: bool) -> bool {
    let keeps = matches!(op, BinaryOp::Compare(_) | BinaryOp::Set(_) | BinaryOp::TrimUpper | BinaryOp::TrimLower);
    return_bool || !keeps
}
