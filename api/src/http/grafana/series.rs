//! Encodes series as frames, and computes the range of a panel.

use almanac_engine::{
    series::Labels,
    signal::{self, EvalLimits, Query, RangeSeries, SignalError},
    store::{ROLLUP_MS, Store},
};
use serde_json::{Value, json};

use super::{
    filters::{Filtered, Filters},
    frames::{Column, frame, number, table, tags},
    request::{QueryBody, TargetBody},
    steps::Steps,
};
use crate::http::ApiError;

/// Maximum number of points of a series in a response.
const MAX_POINTS: i64 = 11_000;

/// Range of a panel: start, end and step, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PanelRange {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

impl PanelRange {
    /// Computes the range of a panel; the step is long enough for at most [`MAX_POINTS`] points.
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
        let requested = interval_ms.filter(|interval| *interval > 0.0).map(whole);
        let fitting = || span / max_data_points.filter(|points| *points >= 1.0).map_or(1000, whole);
        let step_ms = requested.unwrap_or_else(fitting).max(span / MAX_POINTS + 1);
        // Whole hours can be read from rollups.
        let step_ms = if step_ms > ROLLUP_MS { (step_ms + ROLLUP_MS - 1) / ROLLUP_MS * ROLLUP_MS } else { step_ms };
        // Steps are multiples of their length, so that a moving panel shows the same points at each refresh.
        let start_ms = start_ms.saturating_sub(start_ms.rem_euclid(step_ms));
        Self { start_ms, end_ms, step_ms }
    }
}

/// Evaluates an expression on the series that pass the dashboard's filters. From an hour per step on, the values are the
/// means of the steps, and rates those over the steps, if every part of the expression allows that.
pub(super) fn evaluate(
    store: &Store,
    filters: &Filters,
    query: &Query,
    range: PanelRange,
    limits: &EvalLimits,
) -> Result<Vec<RangeSeries>, SignalError> {
    if range.step_ms >= ROLLUP_MS
        && let Some(coarse) = query.coarse(range.step_ms)
    {
        let steps = Steps { store, step_ms: range.step_ms };
        let limits = EvalLimits { lookback_ms: range.step_ms, ..limits.clone() };
        let source = Filtered { source: &steps, filters };
        return signal::range(&source, &coarse, range.start_ms, range.end_ms, range.step_ms, &limits);
    }
    let source = Filtered { source: store, filters };
    let mut series = signal::range(&source, query, range.start_ms, range.end_ms, range.step_ms, limits)?;
    // A panel shows numbers.
    series.retain(|one| !one.timestamps.is_empty());
    Ok(series)
}

/// Returns the legend of a series: the target's `legend` with `{{label}}` replaced, else the signal's name, else the
/// labels.
///
/// `alone`: the target has one series, so the name of the signal needs no labels.
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

/// Replaces `{{label}}` by the value of the label, and `{{signal}}` by the name of the signal.
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

/// Encodes series in the format of the target's option: `timeseries` (default), `fields` or `table`. `alone`: the target
/// has one series.
///
/// # Errors
/// 400 `unknown_option`.
pub(super) fn series_frames(
    target: &TargetBody,
    signal: Option<&str>,
    series: &[RangeSeries],
    alone: bool,
) -> Result<Vec<Value>, ApiError> {
    let legend = target.option("legend");
    let named = |one: &RangeSeries| title(legend.as_deref(), signal, &one.labels, alone);
    let ref_id = target.ref_id.as_str();
    match response_format(target)?.unwrap_or(ResponseFormat::TimeSeries) {
        ResponseFormat::TimeSeries => Ok(series
            .iter()
            .map(|one| {
                let name = named(one);
                let points: Vec<Value> =
                    one.timestamps.iter().zip(&one.values).map(|(at, value)| json!([number(*value), at])).collect();
                json!({ "target": name, "refId": ref_id, "tags": tags(&one.labels), "title": name, "datapoints": points })
            })
            .collect()),
        ResponseFormat::Fields => Ok(series
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
        ResponseFormat::Table => {
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

/// Format of a target's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    TimeSeries,
    Fields,
    Table,
}

/// Returns the format by the target's option `format` or, in the oldest protocol, its `type`.
///
/// # Errors
/// 400 `unknown_option`.
pub(super) fn response_format(target: &TargetBody) -> Result<Option<ResponseFormat>, ApiError> {
    match target.option("format").as_deref() {
        Some("timeseries") => Ok(Some(ResponseFormat::TimeSeries)),
        Some("fields") => Ok(Some(ResponseFormat::Fields)),
        Some("table") => Ok(Some(ResponseFormat::Table)),
        Some(other) => {
            let message = format!("target {}: format {other:?} is not one of timeseries, fields, table", target.ref_id);
            Err(ApiError::bad_request("unknown_option", message))
        }
        None => Ok(match target.kind.as_deref() {
            Some("table") => Some(ResponseFormat::Table),
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
            let range = PanelRange::new(0, span, interval, points);
            assert_eq!(range.step_ms, step_ms, "{interval:?} {points:?} {span}");
        };
        check(Some(60_000.0), Some(300.0), 21_600_000, 60_000);
        check(None, Some(300.0), 21_600_000, 72_000);
        check(None, None, 21_600_000, 21_600);
        check(Some(1.0), None, 21_600_000, 1964);
        check(Some(f64::NAN), Some(0.0), 0, 1);
        assert_eq!(PanelRange::new(90_500, 100_000, Some(60_000.0), None).start_ms, 60_000);
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
