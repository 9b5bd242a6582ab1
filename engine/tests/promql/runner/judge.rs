//! Compares the result of an evaluation with its expectations.

use almanac_engine::{
    histogram::{Buckets, Histogram},
    series::Labels,
    signal::{Note, NoteKind, RangeSeries, Value},
};

use super::{
    histograms::Written,
    script::{Eval, Expected},
    values::Point,
};

/// Relative difference of values that are equal, as in Prometheus' own tests.
const EPSILON: f64 = 1e-6;

/// Whether two values are equal.
fn same(expected: f64, found: f64) -> bool {
    if expected.is_nan() || found.is_nan() {
        return expected.is_nan() && found.is_nan();
    }
    if expected.to_bits() == found.to_bits() || (expected - found).abs() == 0.0 {
        return true;
    }
    let (sum, difference) = (expected.abs() + found.abs(), (expected - found).abs());
    if expected == 0.0 || found == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

/// Whether a histogram is as expected: values nearly, the layout exactly, and the hint if it is given.
fn same_histogram((wanted, has_hint): &Written, found: &Histogram) -> bool {
    let same_buckets =
        |a: &Buckets, b: &Buckets| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(a.1, b.1));
    wanted.schema == found.schema
        && same(wanted.count, found.count)
        && same(wanted.sum, found.sum)
        && wanted.zero_threshold.to_bits() == found.zero_threshold.to_bits()
        && same(wanted.zero_count, found.zero_count)
        && (!wanted.is_custom() || wanted.custom == found.custom)
        && same_buckets(&wanted.positive, &found.positive)
        && same_buckets(&wanted.negative, &found.negative)
        && (!has_hint || wanted.hint == found.hint)
}

/// Compares the notes of an evaluation.
pub(crate) fn notes(eval: &Eval, found: &[Note]) -> Result<(), String> {
    for (kind, wanted) in [(NoteKind::Warning, &eval.expected.warnings), (NoteKind::Info, &eval.expected.infos)] {
        let Some(wanted) = wanted else { continue };
        let found: Vec<String> =
            found.iter().filter(|note| note.kind == kind).map(|note| note.text(&eval.expr)).collect();
        if wanted.is_empty() != found.is_empty() {
            return Err(format!("expected {} notes of kind {kind:?}, found {found:?}", wanted.len()));
        }
        for at in wanted.iter().flatten() {
            if !found.iter().any(|note| note.ends_with(at.as_str())) {
                return Err(format!("no note of kind {kind:?} is at {at}: {found:?}"));
            }
        }
    }
    Ok(())
}

/// Compares the result of an instant query. `is_repeated`: it is one step of a range query, whose order is its own.
pub(crate) fn value(expected: &Expected, found: &Value, is_repeated: bool) -> Result<(), String> {
    match found {
        Value::String(text) if expected.text.as_ref() == Some(text) => Ok(()),
        Value::String(text) => Err(format!("expected {:?}, found the text {text:?}", expected.text)),
        Value::Scalar(value) => match expected.scalar {
            Some(wanted) if same(wanted, *value) => Ok(()),
            wanted => Err(format!("expected {wanted:?}, found the scalar {value}")),
        },
        Value::Matrix(all) => {
            let Some((start_ms, _, step_ms)) = expected.points else {
                return Err("found a range vector".to_owned());
            };
            series(expected, all, start_ms, step_ms)
        }
        Value::Vector(all) => {
            if expected.scalar.is_some() {
                return Err("expected a scalar, found a vector".to_owned());
            }
            for (number, element) in all.iter().enumerate() {
                let position = expected.series.iter().position(|(labels, _)| *labels == element.labels);
                let Some(position) = position else {
                    return Err(format!("unexpected {} {}", element.labels, element.value));
                };
                if expected.is_ordered && !is_repeated && position != number {
                    return Err(format!("{} is at position {number}, not {position}", element.labels));
                }
                match (expected.series[position].1.first(), &element.histogram) {
                    (Some(Point::Float(wanted)), None) if same(*wanted, element.value) => {}
                    (Some(Point::Histogram(wanted)), Some(found)) if same_histogram(wanted, found) => {}
                    (wanted, None) => {
                        return Err(format!("{}: expected {wanted:?}, found {}", element.labels, element.value));
                    }
                    (wanted, Some(found)) => {
                        return Err(format!("{}: expected {wanted:?}, found {found:?}", element.labels));
                    }
                }
            }
            missing(expected, |labels| all.iter().any(|element| element.labels == *labels))
        }
    }
}

/// Compares the series of a range.
pub(crate) fn series(expected: &Expected, found: &[RangeSeries], start_ms: i64, step_ms: i64) -> Result<(), String> {
    for one in found {
        let Some((_, points)) = expected.series.iter().find(|(labels, _)| *labels == one.labels) else {
            return Err(format!("unexpected {} {:?}", one.labels, one.values));
        };
        let times = (0..).map(|idx: i64| start_ms + idx * step_ms);
        let wanted: Vec<(i64, f64)> = times
            .zip(points)
            .filter_map(|(at, point)| match point {
                Point::Float(value) => Some((at, *value)),
                _ => None,
            })
            .collect();
        let is_same = wanted.len() == one.values.len()
            && wanted
                .iter()
                .zip(one.timestamps.iter().zip(&one.values))
                .all(|((at, value), (found_at, found))| at == found_at && same(*value, *found));
        let times = (0..).map(|idx: i64| start_ms + idx * step_ms);
        let histograms: Vec<(i64, &Written)> = times
            .zip(points)
            .filter_map(|(at, point)| match point {
                Point::Histogram(written) => Some((at, written)),
                _ => None,
            })
            .collect();
        let same_histograms = histograms.len() == one.histograms.len()
            && histograms.iter().zip(&one.histograms).all(|(a, b)| a.0 == b.0 && same_histogram(a.1, &b.1));
        if !same_histograms {
            return Err(format!("{}: expected {histograms:?}, found {:?}", one.labels, one.histograms));
        }
        if !is_same {
            let found: Vec<_> = one.timestamps.iter().zip(&one.values).collect();
            return Err(format!("{}: expected {wanted:?}, found {found:?}", one.labels));
        }
    }
    missing(expected, |labels| found.iter().any(|one| one.labels == *labels))
}

fn missing(expected: &Expected, is_found: impl Fn(&Labels) -> bool) -> Result<(), String> {
    match expected.series.iter().find(|(labels, _)| !is_found(labels)) {
        Some((labels, points)) => Err(format!("{labels} {points:?} is missing")),
        None => Ok(()),
    }
}
