//! Series as frames, and the span that a panel asks for.

use almanac_engine::{
    series::Labels,
    signal::{self, EvalLimits, Query, RangeSeries, SignalError},
    store::Store,
};
use serde_json::{Value, json};

use super::{
    filters::{Filtered, Filters},
    frames::{Column, frame, number, table, tags},
    request::{QueryBody, TargetBody},
};
use crate::http::ApiError;

/// Most points of a series in one answer.
const MAX_POINTS: i64 = 11_000;

/// The span of a panel and the distance between its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

impl Window {
    /// What a panel asks for; the step never lets a series have more points than it may.
    ///
    /// # Errors
    /// 400 `invalid_range`.
    pub(super) fn of(body: &QueryBody, now_ms: i64) -> Result<Self, ApiError> {
        let (start_ms, end_ms) = body.range.bounds(now_ms)?;
        Ok(Self::new(start_ms, end_ms, body.interval_ms, body.max_data_points))
    }

    fn new(start_ms: i64, end_ms: i64, interval_ms: Option<f64>, max_data_points: Option<f64>) -> Self {
        let span = end_ms.saturating_sub(start_ms).max(0);
        #[expect(clippy::cast_possible_truncation, reason = "kept within 1 and 1e12")]
        let whole = |value: f64| value.clamp(1.0, 1e12) as i64;
        let asked = interval_ms.filter(|interval| *interval > 0.0).map(whole);
        let fitting = || span / max_data_points.filter(|points| *points >= 1.0).map_or(1000, whole);
        let step_ms = asked.unwrap_or_else(fitting).max(span / MAX_POINTS + 1);
        // Steps lie on multiples of their length, so that a panel that moves on does not flicker.
        let start_ms = start_ms.saturating_sub(start_ms.rem_euclid(step_ms));
        Self { start_ms, end_ms, step_ms }
    }
}

/// The values of an expression, seen through the dashboard's filters.
pub(super) fn evaluate(
    store: &Store,
    filters: &Filters,
    query: &Query,
    window: Window,
    limits: &EvalLimits,
) -> Result<Vec<RangeSeries>, SignalError> {
    let source = Filtered { source: store, filters };
    signal::range(&source, query, window.start_ms, window.end_ms, window.step_ms, limits)
}

/// What a legend calls a series: the target's own `legend` with `{{label}}` filled in, the signal's name, or the labels.
pub(super) fn title(legend: Option<&str>, signal: Option<&str>, labels: &Labels, alone: bool) -> String {
    if let Some(legend) = legend {
        return filled(legend, signal, labels);
    }
    match signal {
        Some(signal) if alone || labels.is_empty() => signal.to_owned(),
        Some(signal) => format!("{signal} {}", labels.without(&[almanac_engine::series::METRIC_NAME])),
        None => labels.to_string(),
    }
}

fn filled(legend: &str, signal: Option<&str>, labels: &Labels) -> String {
    let mut out = String::new();
    let mut rest = legend;
    while let Some(at) = rest.find("{{") {
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find("}}") else { break };
        let name = rest[at + 2..at + end].trim();
        out.push_str(if name == "signal" { signal.unwrap_or("") } else { labels.get(name).unwrap_or("") });
        rest = &rest[at + end + 2..];
    }
    out.push_str(rest);
    out
}

/// Series in the form that the target asks for: `timeseries` (when nothing is asked for), `fields` or `table`.
///
/// # Errors
/// 400 `unknown_option`.
pub(super) fn series_frames(
    target: &TargetBody,
    signal: Option<&str>,
    series: &[RangeSeries],
) -> Result<Vec<Value>, ApiError> {
    let legend = target.option("legend");
    let alone = series.len() == 1;
    let named = |one: &RangeSeries| title(legend.as_deref(), signal, &one.labels, alone);
    let ref_id = target.ref_id.as_str();
    match form(target)?.unwrap_or(Form::TimeSeries) {
        Form::TimeSeries => Ok(series
            .iter()
            .map(|one| {
                let name = named(one);
                let points: Vec<Value> =
                    one.timestamps.iter().zip(&one.values).map(|(at, value)| json!([number(*value), at])).collect();
                json!({ "target": name, "refId": ref_id, "tags": tags(&one.labels), "title": name, "datapoints": points })
            })
            .collect()),
        Form::Fields => Ok(series
            .iter()
            .map(|one| {
                let name = named(one);
                let values = Column::numbers("value", one.values.iter().copied());
                let columns = vec![
                    Column::times("time", one.timestamps.iter().copied()),
                    values.labelled(&one.labels).displayed(Some(name.clone())),
                ];
                frame(ref_id, &name, columns)
            })
            .collect()),
        Form::Table => {
            let each = || series.iter().flat_map(|one| one.timestamps.iter().map(move |_| one));
            let columns = [
                Column::times("time", series.iter().flat_map(|one| one.timestamps.iter().copied())),
                Column::texts("series", each().map(named)),
                Column::numbers("value", series.iter().flat_map(|one| one.values.iter().copied())),
            ];
            Ok(vec![table(ref_id, &columns)])
        }
    }
}

/// A form of a target's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    TimeSeries,
    Fields,
    Table,
}

/// The form that a target asks for by its option `format` or, in the oldest dialect, its `type`.
///
/// # Errors
/// 400 `unknown_option`.
pub(super) fn form(target: &TargetBody) -> Result<Option<Form>, ApiError> {
    match target.option("format").as_deref() {
        Some("timeseries") => Ok(Some(Form::TimeSeries)),
        Some("fields") => Ok(Some(Form::Fields)),
        Some("table") => Ok(Some(Form::Table)),
        Some(other) => {
            let message = format!("target {}: format {other:?} is none of timeseries, fields, table", target.ref_id);
            Err(ApiError::bad_request("unknown_option", message))
        }
        None => Ok(match target.kind.as_deref() {
            Some("table") => Some(Form::Table),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_fits_the_panel_and_the_limit() {
        let check = |interval: Option<f64>, points: Option<f64>, span: i64, step_ms: i64| {
            let window = Window::new(0, span, interval, points);
            assert_eq!(window.step_ms, step_ms, "{interval:?} {points:?} {span}");
        };
        check(Some(60_000.0), Some(300.0), 21_600_000, 60_000);
        check(None, Some(300.0), 21_600_000, 72_000);
        check(None, None, 21_600_000, 21_600);
        check(Some(1.0), None, 21_600_000, 1964);
        check(Some(f64::NAN), Some(0.0), 0, 1);
        assert_eq!(Window::new(90_500, 100_000, Some(60_000.0), None).start_ms, 60_000);
    }

    #[test]
    fn legends_name_labels() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "api")]).unwrap();
        assert_eq!(title(Some("{{job}} of {{signal}}{{nope}}"), Some("s"), &labels, false), "api of s");
        assert_eq!(title(None, Some("s"), &labels, true), "s");
        assert_eq!(title(None, Some("s"), &labels, false), "s {job=\"api\"}");
        assert_eq!(title(None, None, &labels, true), "up{job=\"api\"}");
    }
}
