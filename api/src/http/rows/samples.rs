//! `GET /v1/samples`: samples of a metric, or values of an expression, as flat rows.

use std::{collections::BTreeSet, time::Duration};

use almanac_engine::{
    series::{METRIC_NAME, MatchOp, Matcher, SampleSource, is_stale},
    signal::{self, RangeSeries, SignalError},
};
use axum::{extract::State, response::Response};

use super::{encode::answer, flat_samples::FlatSamples, format::Format, page::Extent, span::span};
use crate::http::{
    ApiError, AppState, ErrorBody, Params,
    prometheus::{EvaluationError, evaluate_within},
    shared::{body_of, escape_pattern, parse_duration_ms},
};

/// Parameters that are not labels.
const RESERVED_PARAMETERS: [&str; 7] = ["metric", "query", "from", "to", "step", "limit", "format"];
/// Length of the span without a start.
const DEFAULT_SPAN_MS: i64 = 3_600_000;
/// Memory of a sample and its place in the order, in bytes.
const BYTES_PER_ROW: usize = 48;
/// Time for which a response waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// Timeout of an evaluation.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Lists samples of a metric, or the values of an expression.
///
/// Either `metric`, with labels as further parameters (`host=a&host=b`), or `query` with a `PromQL` expression. With
/// `step` (seconds, or a duration such as 1m) rows have the value at every step, without it the stored samples. Each
/// row has `time`, `metric`, `value` and every label of any of the series, null for series without that label.
#[utoipa::path(get, path = "/v1/samples", tag = "rows",
    params(("metric" = Option<String>, Query, description = "name of the metric"), ("query" = Option<String>, Query, description = "PromQL expression instead of a metric; requires step"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, now or now-6h [an hour before the end]"), ("to" = Option<String>, Query, description = "end of the span, in the same formats [now]"), ("step" = Option<String>, Query, description = "seconds, or a duration such as 1m"), ("limit" = Option<usize>, Query, description = "maximum number of samples; a request for more is rejected"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per sample, sorted by time", body = Vec<Object>), (status = 400, description = "invalid parameter", body = ErrorBody), (status = 422, description = "too many samples or values", body = ErrorBody)))]
pub(super) async fn samples(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let wrong = |message: String| ApiError::bad_request("invalid_parameter", message);
    let (format, limit) = (Format::of(&params)?, Extent::limit_of(&params)?);
    let now = state.clock.now();
    let (from, to) = span(&params, now)?;
    let end_ms = to.unwrap_or(now).millis();
    let start_ms = from.map_or(end_ms.saturating_sub(DEFAULT_SPAN_MS), |from| from.millis());
    let step_ms = match params.get("step") {
        None => None,
        Some(text) => match parse_duration_ms(text) {
            Some(step_ms) if step_ms > 0 => Some(step_ms),
            _ => return Err(wrong(format!("step {text:?} is not a duration like 15s, 1m or 60"))),
        },
    };
    let store = state.store.clone();
    let series = match (params.get("metric"), params.get("query"), step_ms) {
        (Some(metric), None, step_ms) => {
            let (metric, params) = (metric.to_owned(), params.clone());
            evaluate_within(&state, EVALUATION_TIMEOUT, move |limits| {
                // Compiles patterns, which can take long.
                let matchers = match matchers(&metric, &params) {
                    Ok(matchers) => matchers,
                    Err(error) => return Ok(Err(error)),
                };
                match step_ms {
                    Some(step_ms) => {
                        let query = signal::parse(&selector(&matchers))?;
                        signal::range(&store, &query, start_ms, end_ms, step_ms, limits).map(Ok)
                    }
                    None => stored(&store, &matchers, start_ms, end_ms, limit).map(Ok),
                }
            })
            .await
        }
        (None, Some(text), Some(step_ms)) => {
            if let Some((label, _)) = params.others(&RESERVED_PARAMETERS).next() {
                return Err(wrong(format!("parameter {label:?} requires metric; write the label into the query")));
            }
            let text = text.to_owned();
            evaluate_within(&state, EVALUATION_TIMEOUT, move |limits| {
                signal::range(&store, &signal::parse(&text)?, start_ms, end_ms, step_ms, limits).map(Ok)
            })
            .await
        }
        (None, Some(_), None) => return Err(wrong("query requires step, such as step=1m".to_owned())),
        (Some(_), Some(_), _) => return Err(wrong("metric and query exclude each other".to_owned())),
        (None, None, _) => {
            return Err(wrong("metric or query is required: the name of a metric, or a PromQL expression".to_owned()));
        }
    };
    let series = series.map_err(|error| match error {
        EvaluationError::Signal(SignalError::TooManySamples { .. }) => too_many(limit),
        EvaluationError::Signal(error) => error.into(),
        other => ApiError::from(other),
    })??;
    // Rows are numbers.
    let series: Vec<RangeSeries> = series.into_iter().filter(|one| !one.timestamps.is_empty()).collect();
    let rows = series.iter().map(|one| one.values.len()).sum::<usize>();
    if rows > limit {
        return Err(too_many(limit));
    }
    let reserved = state.answers.reserve(rows.saturating_mul(BYTES_PER_ROW), MEMORY_WAIT).await?;
    let rows = state.blocking(move || FlatSamples::new(series, format)).await?;
    Ok(answer(body_of(rows, reserved), format, false))
}

fn too_many(limit: usize) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "too_many_samples",
        format!(
            "the response would have more than {limit} samples: use a shorter span, a longer step or a higher limit"
        ),
    )
}

/// Reads the stored samples of the matching series, without staleness markers.
fn stored(
    source: &dyn SampleSource,
    matchers: &[Matcher],
    start_ms: i64,
    end_ms: i64,
    limit: usize,
) -> Result<Vec<RangeSeries>, SignalError> {
    let series = source.select(matchers, start_ms, end_ms, limit)?;
    Ok(series
        .into_iter()
        .map(|one| {
            let (timestamps, values) =
                one.timestamps.into_iter().zip(one.values).filter(|(_, value)| !is_stale(*value)).unzip();
            RangeSeries { labels: one.labels, timestamps, values, histograms: Vec::new() }
        })
        .collect())
}

/// Returns matchers for the metric's name and for each label parameter; several values of a label are alternatives.
fn matchers(metric: &str, params: &Params) -> Result<Vec<Matcher>, ApiError> {
    let mut matchers = vec![Matcher::equal(METRIC_NAME, metric)];
    let labels: BTreeSet<&str> = params.others(&RESERVED_PARAMETERS).map(|(name, _)| name).collect();
    for label in labels {
        let values = params.list(label);
        matchers.push(match values.as_slice() {
            [] => continue,
            [one] => Matcher::equal(label, one),
            many => {
                let pattern = many.iter().map(|value| escape_pattern(value)).collect::<Vec<_>>().join("|");
                Matcher::new(label, MatchOp::Regex, pattern)
                    .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?
            }
        });
    }
    Ok(matchers)
}

/// Formats the matchers as a `PromQL` selector.
fn selector(matchers: &[Matcher]) -> String {
    let parts: Vec<String> = matchers
        .iter()
        .map(|matcher| {
            let op = match matcher.op() {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Regex => "=~",
                MatchOp::NotRegex => "!~",
            };
            let value = matcher.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{}{op}\"{value}\"", matcher.name())
        })
        .collect();
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_matchers() {
        let params = Params::parse(b"metric=cpu&host=a.b&host=c&zone=\"x");
        let matchers = matchers("cpu", &params).unwrap();
        assert_eq!(selector(&matchers), r#"{__name__="cpu",host=~"a\\.b|c",zone="\"x"}"#);
    }
}
