//! Errors of handlers and middleware as a status of gRPC.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use prost::Message;
use tonic::Status;

use crate::http::{ApiError, RpcStatus, code_of, retry_details};

/// Converts an error. When it says when to try again, so do the details of the status.
pub(super) fn status_of(error: &ApiError) -> Status {
    let (code, message) = (code_of(error.status()), error.message().to_owned());
    let details = retry_details(error.wait());
    if details.is_empty() {
        return Status::new(code, message);
    }
    let details = RpcStatus { code: code as i32, message: message.clone(), details }.encode_to_vec();
    Status::with_details(code, message, details.into())
}

/// Middleware: writes errors of other middleware, which are made for HTTP, as a status of gRPC.
pub(super) async fn write_status(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match response.extensions().get::<ApiError>() {
        Some(error) => status_of(error).into_http::<Body>(),
        None => response,
    }
}

/// Responds to an unknown method.
pub(super) async fn unknown_method(request: Request) -> Response {
    let message = format!("no method {:?} is served here", request.uri().path());
    Status::unimplemented(message).into_http::<Body>()
}
