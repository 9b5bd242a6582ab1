//! Encodes results and errors in the format of Prometheus' HTTP API.

use std::io::Write;

use almanac_engine::{
    series::{Labels, SourceError},
    signal::{RangeSeries, SignalError, Value},
    store::StoreError,
};
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

/// An error in the format of Prometheus: status, error type and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PromError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl PromError {
    /// Builds a 400: a parameter or an expression is invalid.
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    /// Builds a 422: the expression is valid, but its evaluation failed.
    pub(super) fn execution(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", message: message.into() }
    }

    /// Builds a 503: the evaluation timed out or was cancelled.
    pub(super) fn timeout(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "timeout", message: message.into() }
    }

    /// Builds a 500; the error and its sources are logged, not sent to the caller.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %crate::chain(error), "query failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            message: "the request failed; see the service's log".to_owned(),
        }
    }

    /// Builds a 500 for a damaged block, which the store has logged.
    fn damaged(error: &StoreError) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "store_damaged", message: error.to_string() }
    }
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        error_response(self.status, self.kind, &self.message)
    }
}

/// Maps an error of an expression to Prometheus' error types. Other routes use `shared/mapping.rs`.
pub(super) fn signal_error(error: &SignalError) -> PromError {
    let message = crate::chain(error);
    match error {
        SignalError::Parse { .. }
        | SignalError::Range { .. }
        | SignalError::TooManySteps { .. }
        | SignalError::Kind { .. }
        | SignalError::TooDeep { .. } => PromError::bad_data(message),
        SignalError::Source(SourceError::Store(store)) => match store.downcast_ref::<StoreError>() {
            Some(damaged @ StoreError::DamagedBlock { .. }) => PromError::damaged(damaged),
            _ => PromError::internal(error),
        },
        SignalError::Source(_) => PromError::internal(error),
        SignalError::Cancelled => PromError::timeout(message),
        SignalError::Unsupported { .. }
        | SignalError::TooManySamples { .. }
        | SignalError::DuplicateLabels { .. }
        | SignalError::Matching { .. }
        | SignalError::Argument { .. } => PromError::execution(message),
    }
}

/// Whether this path belongs to Prometheus' API, whose errors have Prometheus' format.
pub(in crate::http) fn is_prometheus_path(path: &str) -> bool {
    path.strip_prefix("/api/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Response extension that marks an error in Prometheus' format.
#[derive(Debug, Clone, Copy)]
struct PrometheusFormat;

/// Whether an error response already has Prometheus' format.
pub(in crate::http) fn is_formatted(response: &Response) -> bool {
    response.extensions().get::<PrometheusFormat>().is_some()
}

/// Returns the error type for a status set by another layer. `unauthorized` and `forbidden` do not exist in Prometheus;
/// its `bad_data` would suggest that the query is invalid.
pub(in crate::http) fn error_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::NOT_ACCEPTABLE => "not_acceptable",
        StatusCode::UNPROCESSABLE_ENTITY => "execution",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "unavailable",
        status if status.is_client_error() => "bad_data",
        _ => "internal",
    }
}

/// Builds an error response in Prometheus' format.
pub(in crate::http) fn error_response(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = serde_json::json!({ "status": "error", "errorType": kind, "error": message });
    let mut response = (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    response.extensions_mut().insert(PrometheusFormat);
    response
}

/// Builds a success response around `data`, which is JSON, with a warning if a limit truncated it.
pub(super) fn success(data: &[u8], truncated: bool) -> Response {
    let mut body = Vec::with_capacity(data.len() + 96);
    body.extend_from_slice(br#"{"status":"success","data":"#);
    body.extend_from_slice(data);
    if truncated {
        body.extend_from_slice(br#","warnings":["results truncated due to limit"]"#);
    }
    body.push(b'}');
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Encodes the result of an instant query.
pub(super) fn write_value(value: &Value, time_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    match value {
        Value::Scalar(number) => {
            out.extend_from_slice(br#"{"resultType":"scalar","result":"#);
            write_pair(&mut out, time_ms, *number);
        }
        Value::String(text) => {
            out.extend_from_slice(br#"{"resultType":"string","result":["#);
            write_time(&mut out, time_ms);
            out.push(b',');
            write_string(&mut out, text);
            out.push(b']');
        }
        Value::Vector(samples) => {
            out.extend_from_slice(br#"{"resultType":"vector","result":["#);
            for (idx, sample) in samples.iter().enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(br#"{"metric":"#);
                write_labels(&mut out, &sample.labels);
                out.extend_from_slice(br#","value":"#);
                write_pair(&mut out, sample.timestamp_ms, sample.value);
                out.push(b'}');
            }
            out.push(b']');
        }
        Value::Matrix(series) => return write_matrix(series),
    }
    out.push(b'}');
    out
}

/// Encodes the result of a range query.
pub(super) fn write_matrix(series: &[RangeSeries]) -> Vec<u8> {
    let samples: usize = series.iter().map(|one| one.timestamps.len()).sum();
    let mut out = Vec::with_capacity(64 + series.len() * 128 + samples * 28);
    out.extend_from_slice(br#"{"resultType":"matrix","result":["#);
    for (idx, one) in series.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"metric":"#);
        write_labels(&mut out, &one.labels);
        out.extend_from_slice(br#","values":["#);
        for (idx, (time_ms, value)) in one.timestamps.iter().zip(&one.values).enumerate() {
            if idx > 0 {
                out.push(b',');
            }
            write_pair(&mut out, *time_ms, *value);
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
    out
}

/// Encodes a list of strings.
pub(super) fn write_strings(strings: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + strings.iter().map(|text| text.len() + 3).sum::<usize>());
    out.push(b'[');
    for (idx, text) in strings.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        write_string(&mut out, text);
    }
    out.push(b']');
    out
}

/// Encodes a list of label sets.
pub(super) fn write_series(series: &[Labels]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + series.len() * 128);
    out.push(b'[');
    for (idx, labels) in series.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        write_labels(&mut out, labels);
    }
    out.push(b']');
    out
}

fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (idx, (name, value)) in labels.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }
    out.push(b'}');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a `Vec` cannot fail, so the result is ignored here and below.
    let _ = serde_json::to_writer(out, text);
}

fn write_pair(out: &mut Vec<u8>, time_ms: i64, value: f64) {
    out.push(b'[');
    write_time(out, time_ms);
    out.extend_from_slice(b",\"");
    write_number(out, value);
    out.extend_from_slice(b"\"]");
}

/// Writes a time in seconds, with three decimals unless they are all zero, as Prometheus does.
fn write_time(out: &mut Vec<u8>, time_ms: i64) {
    let sign = if time_ms < 0 { "-" } else { "" };
    let (seconds, millis) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    let _ = if millis == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{millis:03}") };
}

/// Writes a number in the format of Prometheus: Go's `strconv.FormatFloat` with the fewest digits.
fn write_number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value != 0.0 && (value.abs() < 1e-6 || value.abs() >= 1e21) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
    } else {
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use almanac_engine::signal::VectorSample;

    use super::*;

    #[test]
    fn numbers_have_the_format_of_go() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            write_number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        // strconv.FormatFloat(v, 'f', -1, 64), and 'e' below 1e-6 and from 1e21 on.
        check(2.0, "2");
        check(0.1, "0.1");
        check(-0.0, "-0");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(1.5e-7, "1.5e-07");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn values_are_pairs_of_seconds_and_text() {
        let check = |value: &Value, expected: &str| {
            assert_eq!(String::from_utf8(write_value(value, 4500)).unwrap(), expected);
        };
        check(&Value::Scalar(2.0), r#"{"resultType":"scalar","result":[4.500,"2"]}"#);
        check(&Value::String("a\"".into()), r#"{"resultType":"string","result":[4.500,"a\""]}"#);
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\nb")]).unwrap();
        let sample = VectorSample { labels: labels.clone(), timestamp_ms: 4000, value: 1.0 };
        check(
            &Value::Vector(vec![sample]),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\nb"},"value":[4,"1"]}]}"#,
        );
        let series = RangeSeries { labels, timestamps: vec![-1500, 0], values: vec![f64::NAN, 3.0] };
        check(
            &Value::Matrix(vec![series]),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a\nb"},"values":[[-1.500,"NaN"],[0,"3"]]}]}"#,
        );
    }

    #[test]
    fn only_paths_below_api_v1_are_prometheus() {
        assert!(is_prometheus_path("/api/v1/query") && is_prometheus_path("/api/v1"));
        assert!(!is_prometheus_path("/api/v10") && !is_prometheus_path("/v1/sql"));
    }
}
