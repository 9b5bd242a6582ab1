//! `topk`, `bottomk`, `limitk` and `limit_ratio` keep elements of each group; `quantile` orders the values of each group.

use std::cmp::Ordering;

use super::Groups;
use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, is_absent},
    functions,
};

/// The order by which elements of a group are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum RankBy {
    Greatest,
    Least,
    /// The order of rows: `limitk` may keep any elements.
    First,
}

/// `quantile`: one row for each group. `level` has one quantile for each step.
pub(in crate::signal) fn quantile(level: &[f64], frame: &Frame, groups: &Groups<'_>) -> Frame {
    let mut result = Frame::new(frame.steps);
    let mut values = Vec::new();
    for (id, rows) in groups.rows().into_iter().enumerate() {
        let row = result.push_absent(groups.row(id, groups.labels[id].clone()));
        for (step, cell) in result.row_mut(row).iter_mut().enumerate() {
            values.clear();
            values.extend(rows.iter().map(|row| frame.cell(*row, step)).filter(|cell| !is_absent(*cell)));
            *cell = if values.is_empty() { ABSENT } else { functions::quantile(level[step], &mut values) };
        }
        result.pop_if_absent();
    }
    result
}

/// `topk`, `bottomk`, `limitk`: keeps the `k` first elements of each group at each step, with their labels.
///
/// Of equal values the first rows are kept; NaN only if too few other values exist. With a single step the rows are
/// ordered by value. `k` has one number for each step.
///
/// # Errors
/// [`SignalError::Argument`] if a `k` is not an integer in range.
pub(in crate::signal) fn rank(
    rank_by: RankBy,
    name: &'static str,
    k: &[f64],
    frame: &Frame,
    groups: &Groups<'_>,
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
            let best = best(rank_by, &mut present, *count, |row| frame.cell(row, step));
            for row in best {
                kept.cells[row * frame.steps + step] = frame.cell(*row, step);
            }
            if frame.steps == 1 {
                order.extend_from_slice(best);
            }
        }
    }
    // Over a range the order of rows is that of labels.
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

/// `limit_ratio`: keeps the elements whose hash is in the first share of all hashes, or for a negative ratio in the last.
/// `ratio` has one number for each step; beyond ±1 it counts as ±1.
///
/// # Errors
/// [`SignalError::Argument`] if a ratio is NaN.
///
/// # Reference
/// Prometheus hashes the length and the bytes of each name and value with XXH64; equal hashes keep equal elements.
pub(in crate::signal) fn limit_ratio(ratio: &[f64], mut frame: Frame) -> Result<Frame, SignalError> {
    if ratio.iter().any(|ratio| ratio.is_nan()) {
        return Err(SignalError::Argument { function: "limit_ratio", message: "the ratio is NaN".to_owned() });
    }
    let mut key = Vec::new();
    for row in 0..frame.rows.len() {
        key.clear();
        for text in frame.rows[row].iter().flat_map(|(name, value)| [name, value]) {
            push_length(&mut key, text.len());
            key.extend_from_slice(text.as_bytes());
        }
        #[expect(clippy::cast_precision_loss, reason = "a share of all hashes")]
        let offset = twox_hash::XxHash64::oneshot(0, &key) as f64 / u64::MAX as f64;
        for (cell, ratio) in frame.row_mut(row).iter_mut().zip(ratio) {
            let is_kept = if *ratio >= 0.0 { offset < *ratio } else { offset >= 1.0 + ratio };
            if !is_kept {
                *cell = ABSENT;
            }
        }
    }
    Ok(frame.compact())
}

/// Appends the length of a text as Prometheus stores it: one byte, or 255 and three bytes.
fn push_length(key: &mut Vec<u8>, length: usize) {
    match u8::try_from(length).ok().filter(|length| *length < 255) {
        Some(length) => key.push(length),
        None => {
            key.push(255);
            key.extend(length.to_le_bytes().into_iter().take(3));
        }
    }
}

/// Returns the `count` best rows, the best first.
fn best(rank_by: RankBy, rows: &mut [usize], count: usize, value: impl Fn(usize) -> f64) -> &[usize] {
    let order = |a: &usize, b: &usize| {
        let (x, y) = (value(*a), value(*b));
        let by_value = match rank_by {
            RankBy::Greatest => y.partial_cmp(&x).unwrap_or(Ordering::Equal),
            RankBy::Least => x.partial_cmp(&y).unwrap_or(Ordering::Equal),
            RankBy::First => return a.cmp(b),
        };
        x.is_nan().cmp(&y.is_nan()).then(by_value).then(a.cmp(b))
    };
    // Partial selection first, so that only the kept rows are sorted.
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

/// Converts `k` to a number of elements; 0 if it is less than 1.
#[expect(clippy::cast_possible_truncation, reason = "checked to fit, the fraction is cut as Prometheus does")]
#[expect(clippy::cast_sign_loss, reason = "checked to be at least 1")]
fn count(function: &'static str, k: f64) -> Result<usize, SignalError> {
    if k.is_nan() || k.abs() >= 2_f64.powi(63) {
        return Err(SignalError::Argument { function, message: format!("{k} is not a number of elements") });
    }
    Ok(if k < 1.0 { 0 } else { k as usize })
}
