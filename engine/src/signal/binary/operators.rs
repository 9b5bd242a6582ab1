//! Arithmetic and comparisons of two numbers.

use crate::signal::{frame::ABSENT, plan::BinaryOp};

/// What an operation on two values gives: a value, or [`ABSENT`] where a comparison does not hold.
///
/// A comparison that holds gives its left value, 1 with `bool`; with `bool` one that does not gives 0.
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
        BinaryOp::Set(_) => ABSENT,
    }
}

/// Whether the result no longer is what the metric's name says.
pub(super) fn changes_meaning(op: BinaryOp, return_bool: bool) -> bool {
    return_bool || !matches!(op, BinaryOp::Compare(_) | BinaryOp::Set(_))
}
