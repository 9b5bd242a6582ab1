//! Binary operators with a scalar on at least one side.

use super::{
    Operands,
    operators::{apply, cells, changes_meaning},
};
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, is_absent},
    plan::BinaryOp,
};

/// The side of the operator on which the vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum VectorSide {
    Left,
    Right,
}

/// Applies an operator to two numbers at each step. Comparisons return 0 or 1.
pub(in crate::signal) fn between_scalars(op: BinaryOp, left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| apply(op, true, *left, *right)).collect()
}

/// Applies an operator to every element of a vector and one number for each step. A comparison without `bool` keeps the
/// elements for which it is true.
///
/// # Errors
/// [`SignalError::DuplicateLabels`] if elements have the same labels without the metric name.
pub(in crate::signal) fn with_scalar(
    op: BinaryOp,
    return_bool: bool,
    mut vector: Frame,
    scalar: &[f64],
    side: VectorSide,
    operands: Operands<'_>,
) -> Result<Frame, SignalError> {
    let filters = matches!(op, BinaryOp::Compare(_)) && !return_bool;
    vector.map_steps(|step, value| {
        let found = match side {
            VectorSide::Left => cells(op, return_bool, value, scalar[step], operands),
            VectorSide::Right => cells(op, return_bool, scalar[step], value, operands),
        };
        // A filter keeps the value of the vector, whichever side it is on.
        match filters {
            true if is_absent(found) => ABSENT,
            true => value,
            false => found,
        }
    });
    let vector = vector.compact();
    if changes_meaning(op, return_bool) { vector.drop_names() } else { Ok(vector) }
}
