//! `and`, `or` and `unless`.

use super::matching::{Side, signatures};
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, is_absent},
    plan::{Matching, SetOp},
};

/// `and`, `or`, `unless`: elements of one side by whether the other side has a matching one.
pub(in crate::signal) fn set_operation(
    op: SetOp,
    mut left: Frame,
    mut right: Frame,
    matching: &Matching,
) -> Result<Frame, SignalError> {
    let sides = signatures(&left, &right, matching);
    match op {
        SetOp::And => {
            let there = presence(&right, &sides.right, sides.count);
            keep(&mut left, &sides.left, &there, true);
            Ok(left.compact())
        }
        SetOp::Unless => {
            let there = presence(&right, &sides.right, sides.count);
            keep(&mut left, &sides.left, &there, false);
            Ok(left.compact())
        }
        SetOp::Or => {
            let there = presence(&left, &sides.left, sides.count);
            keep(&mut right, &sides.right, &there, false);
            left.rows.append(&mut right.rows);
            left.cells.append(&mut right.cells);
            left.distinct = false;
            left.compact().merge()
        }
    }
}

/// For each signature and step whether any row has a value.
fn presence(frame: &Frame, signature: &Side, count: usize) -> Vec<bool> {
    let mut there = vec![false; count * frame.steps];
    for (row, signature) in signature.iter().enumerate() {
        let there = &mut there[signature * frame.steps..(signature + 1) * frame.steps];
        there.iter_mut().zip(frame.row(row)).for_each(|(there, cell)| *there |= !is_absent(*cell));
    }
    there
}

/// Removes the values whose signature's presence is not `wanted`.
fn keep(frame: &mut Frame, signature: &Side, there: &[bool], wanted: bool) {
    let steps = frame.steps;
    for (row, signature) in signature.iter().enumerate() {
        let there = &there[signature * steps..(signature + 1) * steps];
        for (cell, there) in frame.row_mut(row).iter_mut().zip(there) {
            if *there != wanted {
                *cell = ABSENT;
            }
        }
    }
}
