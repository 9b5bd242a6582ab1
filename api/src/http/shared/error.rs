//! The error type of every route: status, stable code, message.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id::RequestId;

/// An error response: `{"error": {"code", "message", "request_id"}, "message"}`.
///
/// `code` is stable and meant for programs, `message` for people. The message appears twice because Grafana shows the
/// outer one in panels and the inner one on its configuration page. Details go to the log.
///
/// The response carries the error as an extension, so that [`super::reshape_errors`] can write it in another format
/// without reading the body.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    retry_after: Option<Duration>,
}

/// The body of an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Code and message.
    pub error: ErrorDetail,
    /// The message again.
    pub message: String,
}

/// Code and message of an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable code in snake case.
    pub code: String,
    /// What is wrong, and what would be valid.
    pub message: String,
    /// Id of the request, which the lines of the log about it have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ApiError {
    /// Builds an error with any status; `code` is stable and in snake case.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        // A message may repeat what the caller sent.
        let message = crate::one_line(&message.into());
        Self { status, code: code.into(), message, retry_after: None }
    }

    /// Builds a 400.
    pub fn bad_request(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Builds a 404.
    pub fn not_found(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Builds a 409.
    pub fn conflict(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// Builds a 500. The error and its sources are logged, not sent to the caller.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %crate::chain(error), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; see the service's log")
    }

    /// Adds the header `Retry-After`, rounded up to a second.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the time of the header `Retry-After`, if there is one.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code.to_string(),
                message: self.message.clone(),
                request_id: RequestId::current(),
            },
            message: self.message.clone(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_message_appears_inside_and_outside_of_the_error() {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", "the queue is full");
        let response = error.retry_after(Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, r#"{"error":{"code":"busy","message":"the queue is full"},"message":"the queue is full"}"#);
    }
}
