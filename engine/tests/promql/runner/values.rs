//! Parses series with their points: `name{label="value"} 1 2+1x3 _ stale`.

use almanac_engine::{
    series::{Labels, stale_marker},
    signal,
};

use super::histograms::{Written, histograms};

/// One point of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Point {
    /// No sample.
    Missing,
    /// A number, or a stale marker.
    Float(f64),
    /// A native histogram.
    Histogram(Written),
}

/// Parses a line of a `load` or of an expectation. Also returns whether it gives start timestamps.
pub(crate) fn series(line: &str) -> Result<(Labels, Vec<Point>, bool), String> {
    let (name, points) = split(line);
    let (name, has_starts) = name.strip_suffix("@st").map_or((name, false), |name| (name, true));
    let labels = labels(name)?;
    if has_starts {
        return Ok((labels, Vec::new(), true));
    }
    let mut all = Vec::new();
    for item in items(points) {
        all.extend(point(item).ok_or_else(|| format!("{item:?} is no point"))?);
    }
    Ok((labels, all, false))
}

/// Splits a line after its labels.
fn split(line: &str) -> (&str, &str) {
    let (mut quote, mut depth) = (None, 0);
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => depth -= 1,
            (None, ' ' | '\t') if depth == 0 => return (&line[..at], line[at..].trim()),
            _ => {}
        }
    }
    (line, "")
}

/// Parses the labels of a series.
fn labels(text: &str) -> Result<Labels, String> {
    if text == "{}" {
        return Ok(Labels::default());
    }
    let query = signal::parse(text).map_err(|error| error.to_string())?;
    let matchers = query.plain_selector().ok_or_else(|| format!("{text:?} are no labels"))?;
    Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value()))).map_err(|e| e.to_string())
}

/// Splits points at blanks outside of `{{…}}`.
fn items(text: &str) -> Vec<&str> {
    let (mut all, mut start, mut depth) = (Vec::new(), None, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ' ' | '\t' if depth == 0 => {
                all.extend(start.take().map(|start: usize| &text[start..at]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    all.extend(start.map(|start| &text[start..]));
    all
}

/// Parses one item: `1`, `1x3`, `1+2x3`, `1-2x3`, `_`, `_x3`, `stale`, `{{…}}`.
fn point(item: &str) -> Option<Vec<Point>> {
    if item.starts_with("{{") {
        return histograms(item).map(|all| all.into_iter().map(Point::Histogram).collect());
    }
    let (base, times) = match item.rsplit_once('x') {
        Some((base, times)) if !base.is_empty() && times.parse::<usize>().is_ok() => (base, times.parse().ok()),
        _ => (item, None),
    };
    if base == "_" {
        return Some(vec![Point::Missing; times.unwrap_or(1)]);
    }
    let count = times.map_or(1, |times| times + 1);
    if base == "stale" {
        return Some(vec![Point::Float(stale_marker()); count]);
    }
    let bytes = base.as_bytes();
    let operator = (1..bytes.len())
        .rev()
        .find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E') && times.is_some());
    let (first, delta) = match operator {
        Some(at) => (number(&base[..at])?, number(&base[at..])?),
        None => (number(base)?, 0.0),
    };
    let mut value = first;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Point::Float(value));
        value += delta;
    }
    Some(all)
}

/// Parses a number as in PromQL.
pub(crate) fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits.strip_prefix("0x") {
        let value = i32::from_str_radix(hex, 16).ok()?;
        return Some(sign * f64::from(value));
    }
    digits.parse::<f64>().ok().map(|value| sign * value)
}

/// Parses a duration such as `1h30m` or `0` into milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let query = signal::parse(&format!("vector({text})")).ok()?;
    let none: &dyn almanac_engine::series::SampleSource = &super::memory::Memory::default();
    match signal::instant(none, &query, 0, &signal::EvalLimits::default()).ok()? {
        #[expect(clippy::cast_possible_truncation, reason = "durations of scripts are short")]
        signal::Value::Vector(elements) => Some((elements.first()?.value * 1000.0).round() as i64),
        _ => None,
    }
}
