//! `sum` and `avg` of groups with histograms.

use std::sync::Arc;

use super::sums::{Total, mixed_schemas, note_total};
use crate::{
    series::METRIC_NAME,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, is_absent, is_histogram},
    },
};

/// The sum or mean of one group at one step.
#[derive(Debug)]
enum Group {
    Total(Box<Total>),
    /// The buckets do not fit.
    Incompatible,
}

/// Adds the sums or means of the histograms of `frame` to `floats`, which has those of the floats by group. A group with
/// both has no result and gets a warning. `group_of`: the group of each row; `at`: first byte of the operand in the text of the query.
///
/// # Errors
/// [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(in crate::signal) fn aggregated(
    mut floats: Frame,
    is_mean: bool,
    frame: &Frame,
    group_of: &[usize],
    at: usize,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    // The groups of floats are the first rows, in order; all groups are rows now.
    let steps = frame.steps;
    let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); floats.rows.len()];
    for (row, group) in group_of.iter().enumerate() {
        rows_of[*group].push(row);
    }
    for (group, rows) in rows_of.into_iter().enumerate() {
        let mut totals: Vec<Option<Group>> = (0..steps).map(|_| None).collect();
        for row in rows {
            limits.check_cells(floats.cells.len())?;
            for (total, cell) in totals.iter_mut().zip(frame.row(row)) {
                let Some(histogram) = limits.arena.get(*cell) else { continue };
                let is_compatible = match total {
                    None => {
                        *total = Some(Group::Total(Box::new(Total::new(&histogram, is_mean))));
                        true
                    }
                    Some(Group::Incompatible) => true,
                    Some(Group::Total(sum)) => sum.add(&histogram).is_ok(),
                };
                if !is_compatible {
                    limits.notes.warn(at, mixed_schemas(frame.rows[row].get(METRIC_NAME)));
                    *total = Some(Group::Incompatible);
                }
            }
        }
        for (step, total) in totals.into_iter().enumerate() {
            let Some(total) = total else { continue };
            let cell = &mut floats.row_mut(group)[step];
            if !is_absent(*cell) && !is_histogram(*cell) {
                limits.notes.warn(at, "a group has floats and histograms, which have no common result");
                *cell = ABSENT;
            } else if let Group::Total(total) = total {
                note_total(&total, at, limits);
                *cell = limits.arena.put(Arc::new(total.finish()));
            }
        }
    }
    Ok(floats.compact())
}
