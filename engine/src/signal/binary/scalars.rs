//! Operators with a scalar on at least one side.

use super::operators::{apply, changes_meaning};
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, is_absent},
    plan::BinaryOp,
};

/// On which side of the operator the vector stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Side {
    Left,
    Right,
}

/// An operation on two numbers per step; comparisons give 0 or 1.
pub(in crate::signal) fn between_scalars(op: BinaryOp, left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| apply(op, true, *left, *right)).collect()
}

/// An operation on every element of a vector and one number per step. A comparison without `bool`
/// keeps the elements for which it holds.
pub(in crate::signal) fn with_scalar(
    op: BinaryOp,
    return_bool: bool,
    mut vector: Frame,
    scalar: &[f64],
    vector_is: Side,
) -> Result<Frame, SignalError> {
    let filters = matches!(op, BinaryOp::Compare(_)) && !return_bool;
    vector.map_steps(|step, value| {
        let found = match vector_is {
            Side::Left => apply(op, return_bool, value, scalar[step]),
            Side::Right => apply(op, return_bool, scalar[step], value),
        };
        match filters {
            true if is_absent(found) => ABSENT,
            true => value,
            false => found,
        }
    });
    let vector = if filters { vector.compact() } else { vector };
    if changes_meaning(op, return_bool) { vector.drop_names() } else { Ok(vector) }
}
