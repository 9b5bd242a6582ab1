//! Encodes results and errors in the format of Prometheus' HTTP API.

use std::{io::Write, iter, time::Duration, vec};

use almanac_engine::{
    series::{Labels, SourceError},
    signal::{RangeSeries, SignalError, Value, VectorSample},
    store::StoreError,
};
use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};

use super::native::write_histogram;
use crate::http::{
    ApiError, Reserved,
    shared::{PART_BYTES, body_of, parts_of},
};

/// An error in the format of Prometheus: status, error type and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PromError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

/// Brings an error of a layer that all routes share into the format of Prometheus.
impl From<ApiError> for PromError {
    fn from(error: ApiError) -> Self {
        let (status, message) = (error.status(), error.message().to_owned());
        Self { status, kind: error_type(status), message, retry_after: error.wait() }
    }
}

impl PromError {
    /// Builds a 400: a parameter or an expression is invalid.
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into(), retry_after: None }
    }

    /// Builds a 422: the expression is valid, but its evaluation failed.
    pub(super) fn execution(message: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, kind: "execution", message: message.into(), retry_after: None }
    }

    /// Builds a 503: the evaluation timed out or was cancelled.
    pub(super) fn timeout(message: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, kind: "timeout", message: message.into(), retry_after: None }
    }

    /// Builds a 500; the error and its sources are logged, not sent to the caller.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %crate::chain(error), "query failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            message: "the request failed; see the service's log".to_owned(),
            retry_after: None,
        }
    }

    /// Builds a 500 for a damaged block, which the store has logged.
    fn damaged(error: &StoreError) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "store_damaged",
            message: error.to_string(),
            retry_after: None,
        }
    }
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        let mut response = error_response(self.status, self.kind, &self.message);
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
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
    let body = serde_json::json!({ "status": "error", "errorType": kind, "error": crate::one_line(message) });
    let mut response = (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    response.extensions_mut().insert(PrometheusFormat);
    response
}

/// Remarks about a result, which follow it in the answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Remarks {
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

impl Remarks {
    /// Returns the remark that a limit truncated the result.
    pub(super) fn truncated(is_truncated: bool) -> Self {
        Self::default().and_truncated(is_truncated)
    }

    /// Adds the remark that a limit truncated the result.
    pub(super) fn and_truncated(mut self, is_truncated: bool) -> Self {
        if is_truncated {
            self.warnings.push("results truncated due to limit".to_owned());
        }
        self
    }

    /// Returns the end of the answer.
    fn end(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, texts) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !texts.is_empty() {
                // Writing to a `Vec` cannot fail.
                let _ = write!(out, ",\"{name}\":");
                let _ = serde_json::to_writer(&mut out, texts);
            }
        }
        out.push(b'}');
        out
    }
}

/// Builds a success response around `data`, which is JSON.
pub(super) fn success(data: &[u8], remarks: &Remarks) -> Response {
    let mut body = Vec::with_capacity(data.len() + 96);
    body.extend_from_slice(br#"{"status":"success","data":"#);
    body.extend_from_slice(data);
    body.extend(remarks.end());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Builds a success response around parts of `data`, which together are JSON.
pub(super) fn success_in_parts(
    data: impl Iterator<Item = Vec<u8>> + Send + 'static,
    remarks: &Remarks,
    reserved: Reserved,
) -> Response {
    let head = iter::once(br#"{"status":"success","data":"#.to_vec());
    let body = body_of(head.chain(data).chain(iter::once(remarks.end())), reserved);
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Returns the parts of a JSON list; `write` appends one item.
pub(super) fn list_parts<T: Send + 'static>(
    items: Vec<T>,
    write: fn(&mut Vec<u8>, &T),
) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
    let items = parts_of(items, move |number, item, out| {
        if number > 0 {
            out.push(b',');
        }
        write(out, &item);
    });
    iter::once(b"[".to_vec()).chain(items).chain(iter::once(b"]".to_vec()))
}

/// Encodes the result of an instant query as a whole.
pub(super) fn write_value(value: &Value, time_ms: i64, stats: Option<&str>) -> Vec<u8> {
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
        Value::Vector(samples) => return vector_parts(samples.clone(), stats).flatten().collect(),
        Value::Matrix(series) => return MatrixParts::new(series.clone(), stats).flatten().collect(),
    }
    write_stats(&mut out, stats);
    out.push(b'}');
    out
}

/// Returns the parts of the JSON of a vector.
pub(super) fn vector_parts(
    samples: Vec<VectorSample>,
    stats: Option<&str>,
) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
    let mut end = vec![b']'];
    write_stats(&mut end, stats);
    end.push(b'}');
    let samples = parts_of(samples, |number, sample, out| {
        out.extend_from_slice(if number > 0 { br#",{"metric":"# } else { br#"{"metric":"# });
        write_labels(out, &sample.labels);
        match &sample.histogram {
            Some(histogram) => {
                out.extend_from_slice(br#","histogram":"#);
                write_histogram(out, sample.timestamp_ms, histogram);
            }
            None => {
                out.extend_from_slice(br#","value":"#);
                write_pair(out, sample.timestamp_ms, sample.value);
            }
        }
        out.push(b'}');
    });
    iter::once(br#"{"resultType":"vector","result":["#.to_vec()).chain(samples).chain(iter::once(end))
}

/// Iterator over the parts of the JSON of a matrix.
#[derive(Debug)]
pub(super) struct MatrixParts {
    series: vec::IntoIter<RangeSeries>,
    /// The series that is being written, and the number of its samples that are.
    current: Option<(RangeSeries, usize)>,
    state: MatrixState,
    /// Statistics of the query as JSON, at the end.
    stats: Option<String>,
}

/// Writes statistics, which are JSON, as a further field.
fn write_stats(out: &mut Vec<u8>, stats: Option<&str>) {
    if let Some(stats) = stats {
        out.extend_from_slice(br#","stats":"#);
        out.extend_from_slice(stats.as_bytes());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatrixState {
    Start,
    FirstSeries,
    Series,
    Ended,
}

impl MatrixParts {
    pub(super) fn new(series: Vec<RangeSeries>, stats: Option<&str>) -> Self {
        let stats = stats.map(str::to_owned);
        Self { series: series.into_iter(), current: None, state: MatrixState::Start, stats }
    }

    /// Writes samples of a series until the part is full or the series ends: the floats, then the histograms.
    fn write_samples(&mut self, one: RangeSeries, mut written: usize, part: &mut Vec<u8>) {
        let floats = one.timestamps.len();
        while part.len() < PART_BYTES && written < one.len().max(1) {
            let histogram = written.checked_sub(floats).and_then(|idx| one.histograms.get(idx));
            if written == 0 && (floats > 0 || histogram.is_none()) {
                part.extend_from_slice(br#","values":["#);
            } else if written == floats && histogram.is_some() {
                part.extend_from_slice(if floats > 0 { br#"],"histograms":["# } else { br#","histograms":["# });
            } else {
                part.push(b',');
            }
            if let Some((time_ms, histogram)) = histogram {
                write_histogram(part, *time_ms, histogram);
            } else if let (Some(&time_ms), Some(&value)) = (one.timestamps.get(written), one.values.get(written)) {
                write_pair(part, time_ms, value);
            }
            written += 1;
        }
        if written < one.len() {
            self.current = Some((one, written));
        } else {
            part.extend_from_slice(b"]}");
        }
    }
}

impl Iterator for MatrixParts {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.state == MatrixState::Ended {
            return None;
        }
        let mut part = Vec::new();
        if self.state == MatrixState::Start {
            part.extend_from_slice(br#"{"resultType":"matrix","result":["#);
            self.state = MatrixState::FirstSeries;
        }
        while part.len() < PART_BYTES {
            if let Some((one, written)) = self.current.take() {
                self.write_samples(one, written, &mut part);
                continue;
            }
            let Some(one) = self.series.next() else {
                part.push(b']');
                write_stats(&mut part, self.stats.as_deref());
                part.push(b'}');
                self.state = MatrixState::Ended;
                break;
            };
            if self.state == MatrixState::Series {
                part.push(b',');
            }
            self.state = MatrixState::Series;
            part.extend_from_slice(br#"{"metric":"#);
            write_labels(&mut part, &one.labels);
            self.write_samples(one, 0, &mut part);
        }
        Some(part)
    }
}

pub(super) fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
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

pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Whether a text needs an escape is found for many bytes at once, and few do.
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
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
pub(super) fn write_time(out: &mut Vec<u8>, time_ms: i64) {
    let sign = if time_ms < 0 { "-" } else { "" };
    let (seconds, millis) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    let _ = if millis == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{millis:03}") };
}

/// Writes a number in the format of Prometheus: Go's `strconv.FormatFloat` with the fewest digits.
pub(super) fn write_number(out: &mut Vec<u8>, value: f64) {
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
            assert_eq!(String::from_utf8(write_value(value, 4500, None)).unwrap(), expected);
        };
        check(&Value::Scalar(2.0), r#"{"resultType":"scalar","result":[4.500,"2"]}"#);
        check(&Value::String("a\"".into()), r#"{"resultType":"string","result":[4.500,"a\""]}"#);
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\nb")]).unwrap();
        let sample = VectorSample { labels: labels.clone(), timestamp_ms: 4000, value: 1.0, histogram: None };
        check(
            &Value::Vector(vec![sample]),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\nb"},"value":[4,"1"]}]}"#,
        );
        let series =
            RangeSeries { labels, timestamps: vec![-1500, 0], values: vec![f64::NAN, 3.0], histograms: Vec::new() };
        check(
            &Value::Matrix(vec![series]),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a\nb"},"values":[[-1.500,"NaN"],[0,"3"]]}]}"#,
        );
    }

    #[test]
    fn a_matrix_is_the_same_in_any_number_of_parts() {
        let series = |number: usize, samples: i64| RangeSeries {
            labels: Labels::from_pairs([("n", number.to_string())]).unwrap(),
            timestamps: (0..samples).collect(),
            values: vec![0.5; usize::try_from(samples).unwrap()],
            histograms: Vec::new(),
        };
        for shape in [vec![], vec![0], vec![1, 0, 2], vec![20_000, 1, 0, 30_000]] {
            let all: Vec<RangeSeries> = shape.iter().enumerate().map(|(n, &samples)| series(n, samples)).collect();
            let parts: Vec<Vec<u8>> = MatrixParts::new(all.clone(), None).collect();
            assert!(parts.iter().all(|part| part.len() < 2 * PART_BYTES));
            let json: serde_json::Value = serde_json::from_slice(&parts.concat()).unwrap();
            let found = json["result"].as_array().unwrap();
            let counts: Vec<usize> = found.iter().map(|one| one["values"].as_array().unwrap().len()).collect();
            let expected: Vec<usize> = shape.iter().map(|&samples| usize::try_from(samples).unwrap()).collect();
            assert_eq!(counts, expected);
        }
    }

    #[test]
    fn only_paths_below_api_v1_are_prometheus() {
        assert!(is_prometheus_path("/api/v1/query") && is_prometheus_path("/api/v1"));
        assert!(!is_prometheus_path("/api/v10") && !is_prometheus_path("/v1/sql"));
    }
}
