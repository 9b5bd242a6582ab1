//! Answers to exports, and errors as `google.rpc.Status`.

use std::time::Duration;

use almanac_engine::ingest::otlp::{ExportSummary, Signal};
use axum::http::StatusCode;
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse},
    metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse},
};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    /// Code of gRPC.
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    /// Text for people.
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    /// Further messages.
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<AnyMessage>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyMessage {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Returns the details of an error that says when to try again.
pub(crate) fn retry_details(wait: Option<Duration>) -> Vec<AnyMessage> {
    let details = wait.map(|wait| {
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let delay = Delay { seconds, nanos: i32::try_from(wait.subsec_nanos()).unwrap_or(0) };
        AnyMessage {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo { retry_delay: Some(delay) }.encode_to_vec(),
        }
    });
    details.into_iter().collect()
}

/// Returns the code of gRPC for a status of HTTP.
///
/// What a sender should try again is `Unavailable`: senders of OTLP take `ResourceExhausted` for final.
pub(crate) fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::INSUFFICIENT_STORAGE => Code::Unavailable,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

/// Returns the answer to an export as protobuf.
pub(crate) fn answer(signal: Signal, summary: &ExportSummary) -> Vec<u8> {
    let rejected = i64::try_from(summary.rejected).unwrap_or(i64::MAX);
    let (is_whole, error_message) = (is_whole(summary), summary.message.clone());
    match signal {
        Signal::Metrics => {
            let partial = ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message };
            ExportMetricsServiceResponse { partial_success: (!is_whole).then_some(partial) }.encode_to_vec()
        }
        Signal::Traces => {
            let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message };
            ExportTraceServiceResponse { partial_success: (!is_whole).then_some(partial) }.encode_to_vec()
        }
        Signal::Logs => {
            let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message };
            ExportLogsServiceResponse { partial_success: (!is_whole).then_some(partial) }.encode_to_vec()
        }
    }
}

/// Returns the answer to an export as JSON; integers of 64 bits are strings.
pub(crate) fn answer_json(signal: Signal, summary: &ExportSummary) -> Value {
    if is_whole(summary) {
        return json!({});
    }
    let field = match signal {
        Signal::Metrics => "rejectedDataPoints",
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
    };
    json!({"partialSuccess": {field: summary.rejected.to_string(), "errorMessage": summary.message}})
}

/// Whether there is nothing to tell the sender.
fn is_whole(summary: &ExportSummary) -> bool {
    summary.rejected == 0 && summary.message.is_empty()
}
