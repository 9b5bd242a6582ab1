//! Functions of labels and whole vectors: `label_replace`, `label_join`, `absent`, `sort`, `scalar`, `vector`.

use std::cmp::Ordering;

use crate::{
    series::{Capturing, Labels, METRIC_NAME},
    signal::{
        SignalError,
        frame::{ABSENT, Frame, RowLabels, is_absent},
    },
};

/// Returns a row with these labels.
fn row(labels: Labels) -> RowLabels {
    RowLabels::new(labels)
}

/// `scalar`: returns the value of the only element at each step; NaN if there is none or several.
pub(super) fn scalar(frame: &Frame) -> Vec<f64> {
    let mut found = vec![ABSENT; frame.steps];
    for row in 0..frame.rows.len() {
        for (value, cell) in found.iter_mut().zip(frame.row(row)) {
            if !is_absent(*cell) {
                *value = if is_absent(*value) { *cell } else { f64::NAN };
            }
        }
    }
    found.into_iter().map(|value| if is_absent(value) { f64::NAN } else { value }).collect()
}

/// `vector`: returns one element without labels.
pub(in crate::signal) fn vector(values: Vec<f64>) -> Frame {
    Frame { rows: vec![row(Labels::default())], steps: values.len(), cells: values, distinct: true }
}

/// `absent`: returns 1 at the steps where `frame` has no element.
pub(super) fn absent(labels: &Labels, frame: &Frame) -> Frame {
    let mut present = vec![false; frame.steps];
    for row in 0..frame.rows.len() {
        present.iter_mut().zip(frame.row(row)).for_each(|(present, cell)| *present |= !is_absent(*cell));
    }
    ones_where(labels, present.into_iter().map(|present| !present))
}

fn ones_where(labels: &Labels, wanted: impl Iterator<Item = bool>) -> Frame {
    let cells: Vec<f64> = wanted.map(|wanted| if wanted { 1.0 } else { ABSENT }).collect();
    Frame { rows: vec![row(labels.clone())], steps: cells.len(), cells, distinct: true }.compact()
}

/// `label_replace`: sets the label `target` to the expanded `replacement` in all elements whose label `source` matches
/// `pattern`.
///
/// # Errors
/// [`SignalError::Argument`] for an invalid pattern or name, [`SignalError::DuplicateLabels`].
pub(super) fn label_replace(
    mut frame: Frame,
    target: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Result<Frame, SignalError> {
    const FUNCTION: &str = "label_replace";
    let regex = Capturing::new(pattern).map_err(|error| SignalError::Argument {
        function: FUNCTION,
        message: format!("the pattern is not a regular expression: {error}"),
    })?;
    check_name(FUNCTION, target)?;
    for labels in &mut frame.rows {
        let Some(value) = regex.replaced(labels.get(source), replacement) else { continue };
        *labels = with_label(labels, target, &value);
    }
    frame.distinct = false;
    frame.merge()
}

/// `label_join`: sets the label `target` to the values of the labels `sources`, joined by `separator`.
///
/// # Errors
/// [`SignalError::Argument`] for an invalid name, [`SignalError::DuplicateLabels`].
pub(super) fn label_join(
    mut frame: Frame,
    target: &str,
    separator: &str,
    sources: &[&str],
) -> Result<Frame, SignalError> {
    for name in sources.iter().chain([&target]) {
        check_name("label_join", name)?;
    }
    for labels in &mut frame.rows {
        let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
        *labels = with_label(labels, target, &values.join(separator));
    }
    frame.distinct = false;
    frame.merge()
}

fn check_name(function: &'static str, name: &str) -> Result<(), SignalError> {
    if name.is_empty() {
        return Err(SignalError::Argument { function, message: "a label name is empty".to_owned() });
    }
    Ok(())
}

fn with_label(labels: &RowLabels, name: &str, value: &str) -> RowLabels {
    let mut builder = labels.to_labels().to_builder();
    builder.set(name, value);
    let mut changed = labels.with(builder.build());
    if name == METRIC_NAME {
        changed.keep_name();
    }
    changed
}

/// `sort` and `sort_desc`: orders rows by the value at the only step. NaN is last in both orders.
pub(super) fn sort_by_value(frame: &Frame, descending: bool) -> Frame {
    reordered(frame, |a, b| {
        let (a, b) = (frame.cell(a, 0), frame.cell(b, 0));
        let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        a.is_nan().cmp(&b.is_nan()).then(if descending { order.reverse() } else { order })
    })
}

/// `sort_by_label` and `sort_by_label_desc`: orders rows by the named labels in natural order, then by all labels.
pub(super) fn sort_by_label(frame: &Frame, names: &[&str], descending: bool) -> Frame {
    reordered(frame, |a, b| {
        let (a, b) = (&frame.rows[a], &frame.rows[b]);
        let order = names
            .iter()
            .map(|name| natural_order(a.get(name), b.get(name)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.iter().cmp(b.iter()));
        if descending { order.reverse() } else { order }
    })
}

fn reordered(frame: &Frame, order: impl Fn(usize, usize) -> Ordering) -> Frame {
    let mut rows: Vec<usize> = (0..frame.rows.len()).collect();
    if frame.steps > 0 {
        rows.sort_by(|a, b| order(*a, *b));
    }
    let mut sorted = Frame::new(frame.steps);
    sorted.distinct = frame.distinct;
    for row in rows {
        sorted.rows.push(frame.rows[row].clone());
        sorted.cells.extend_from_slice(frame.row(row));
    }
    sorted
}

/// Compares texts in natural order: each run of digits counts as one number.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, rest_a) = digits(a);
            let (number_b, rest_b) = digits(b);
            // Without leading zeros the longer number is the greater one.
            let order = number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b));
            if order.is_ne() {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if x == y {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        } else {
            return x.cmp(&y);
        }
    }
}

/// Splits off the digits at the start of a text, without leading zeros.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_sort_as_numbers() {
        let mut names = ["cpu10", "cpu9", "cpu1", "cpu01a", "a", "cpu"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "cpu", "cpu1", "cpu01a", "cpu9", "cpu10"]);
    }
}
