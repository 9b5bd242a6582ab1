//! The set operators `and`, `or` and `unless`.

use super::matching::{RowSignatures, signatures};
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, is_absent},
    plan::{Matching, SetOp},
};

/// Applies `and`, `or` or `unless`: keeps elements of one side by whether the other side has a matching one at the same
/// step.
pub(in crate::signal) fn set_operation(
    op: SetOp,
    mut left: Frame,
    mut right: Frame,
    matching: &Matching,
) -> Result<Frame, SignalError> {
    let sides = signatures(&left, &right, matching);
    match op {
        SetOp::And => {
            let present = presence(&right, &sides.right, sides.count);
            keep(&mut left, &sides.left, &present, true);
            Ok(left.compact())
        }
        SetOp::Unless => {
            let present = presence(&right, &sides.right, sides.count);
            keep(&mut left, &sides.left, &present, false);
            Ok(left.compact())
        }
        SetOp::Or => {
            let present = presence(&left, &sides.left, sides.count);
            keep(&mut right, &sides.right, &present, false);
            left.rows.append(&mut right.rows);
            left.cells.append(&mut right.cells);
            left.distinct = false;
            left.compact().merge()
        }
    }
}

/// Returns for each signature and step whether any row has a value.
fn presence(frame: &Frame, signature: &RowSignatures, count: usize) -> Vec<bool> {
    let mut present = vec![false; count * frame.steps];
    for (row, signature) in signature.iter().enumerate() {
        let present = &mut present[signature * frame.steps..(signature + 1) * frame.steps];
        present.iter_mut().zip(frame.row(row)).for_each(|(present, cell)| *present |= !is_absent(*cell));
    }
    present
}

/// Keeps the values at steps where the presence of their signature is `wanted`.
fn keep(frame: &mut Frame, signature: &RowSignatures, present: &[bool], wanted: bool) {
    let steps = frame.steps;
    for (row, signature) in signature.iter().enumerate() {
        let present = &present[signature * steps..(signature + 1) * steps];
        for (cell, present) in frame.row_mut(row).iter_mut().zip(present) {
            if *present != wanted {
                *cell = ABSENT;
            }
        }
    }
}
