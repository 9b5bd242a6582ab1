//! `topk`, `bottomk` and `limitk`: the elements of each group that are kept.

use std::cmp::Ordering;

use super::Groups;
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, RowLabels, is_absent},
    functions,
};

/// Which elements of a group are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Pick {
    Greatest,
    Least,
    /// Any, the first ones here.
    First,
}

/// `quantile`: one row per group, with the quantile of each step.
pub(in crate::signal) fn quantile(level: &[f64], frame: &Frame, groups: &Groups) -> Frame {
    let mut result = Frame::new(frame.steps);
    let mut values = Vec::new();
    for (labels, rows) in groups.labels.iter().zip(groups.rows()) {
        let row = result.push_absent(RowLabels::new(labels.clone()));
        for (step, cell) in result.row_mut(row).iter_mut().enumerate() {
            values.clear();
            values.extend(rows.iter().map(|row| frame.cell(*row, step)).filter(|cell| !is_absent(*cell)));
            *cell = if values.is_empty() { ABSENT } else { functions::quantile(level[step], &mut values) };
        }
        result.pop_if_absent();
    }
    result
}

/// `topk`, `bottomk`, `limitk`: the rows themselves at the steps where they are among the `k` of
/// their group, with `k` for each step. Of equal values the first rows are kept, NaN only when
/// nothing else is left. At a single step the rows come in the order of their values.
///
/// # Errors
/// [`SignalError::Argument`] when `k` is no integer that fits.
pub(in crate::signal) fn rank(
    pick: Pick,
    name: &'static str,
    k: &[f64],
    frame: &Frame,
    groups: &Groups,
) -> Result<Frame, SignalError> {
    let counts = k.iter().map(|k| count(name, *k)).collect::<Result<Vec<usize>, _>>()?;
    let mut kept = Frame {
        rows: frame.rows.clone(),
        cells: vec![ABSENT; frame.cells.len()],
        steps: frame.steps,
        distinct: frame.distinct,
    };
    let mut order: Vec<usize> = Vec::with_capacity(frame.rows.len());
    let mut present = Vec::new();
    for rows in groups.rows() {
        for (step, count) in counts.iter().enumerate() {
            present.clear();
            present.extend(rows.iter().copied().filter(|row| !is_absent(frame.cell(*row, step))));
            let best = best(pick, &mut present, *count, |row| frame.cell(row, step));
            for row in best {
                kept.cells[row * frame.steps + step] = frame.cell(*row, step);
            }
            if frame.steps == 1 {
                order.extend_from_slice(best);
            }
        }
    }
    if frame.steps != 1 {
        return Ok(kept.compact());
    }
    let mut sorted = Frame::new(1);
    sorted.distinct = frame.distinct;
    for row in order {
        sorted.rows.push(frame.rows[row].clone());
        sorted.cells.push(frame.cell(row, 0));
    }
    Ok(sorted)
}

/// The `count` best rows, the best first.
fn best(pick: Pick, rows: &mut [usize], count: usize, value: impl Fn(usize) -> f64) -> &[usize] {
    let order = |a: &usize, b: &usize| {
        let (x, y) = (value(*a), value(*b));
        let by_value = match pick {
            Pick::Greatest => y.partial_cmp(&x).unwrap_or(Ordering::Equal),
            Pick::Least => x.partial_cmp(&y).unwrap_or(Ordering::Equal),
            Pick::First => return a.cmp(b),
        };
        x.is_nan().cmp(&y.is_nan()).then(by_value).then(a.cmp(b))
    };
    let count = count.min(rows.len());
    if count == 0 {
        return &[];
    }
    if count < rows.len() {
        rows.select_nth_unstable_by(count - 1, order);
    }
    let best = &mut rows[..count];
    best.sort_unstable_by(order);
    best
}

#[expect(clippy::cast_possible_truncation, reason = "checked to fit, the fraction is cut as Prometheus does")]
#[expect(clippy::cast_sign_loss, reason = "checked to be at least 1")]
fn count(function: &'static str, k: f64) -> Result<usize, SignalError> {
    if k.is_nan() || k.abs() >= 2_f64.powi(63) {
        return Err(SignalError::Argument { function, message: format!("{k} is not a number of elements") });
    }
    Ok(if k < 1.0 { 0 } else { k as usize })
}
