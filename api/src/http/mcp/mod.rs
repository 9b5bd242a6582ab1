//! `/mcp`: the Model Context Protocol over streamable HTTP, with tools that read.
//!
//! `tools` describes them, `inside` calls the service's own routes for them, `server` speaks the protocol.

mod inside;
mod server;
mod tools;

use axum::{Extension, extract::Request, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, ErrorBody};

pub(super) use server::{METHOD, Mcp, NAME, PROTOCOL_VERSION};

/// Marks an answer that has the protocol's own form, errors included.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct IsMcp;

/// Returns the routes.
#[must_use]
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(mcp))
}

/// Answers one message of the Model Context Protocol (streamable HTTP, without sessions): tools that read
/// recommendations, signals, incidents, PromQL and SQL.
#[utoipa::path(post, path = "/mcp", tag = "analysts", request_body = serde_json::Value,
    responses((status = 200, description = "the answer, a JSON-RPC message", body = serde_json::Value),
        (status = 202, description = "a notification was received"),
        (status = 400, description = "not a message of the protocol", body = serde_json::Value),
        (status = 406, description = "Accept lacks application/json or text/event-stream", body = ErrorBody)))]
async fn mcp(Extension(mcp): Extension<Mcp>, request: Request) -> Response {
    let mut response = mcp.answer(request).await;
    response.extensions_mut().insert(IsMcp);
    response
}
