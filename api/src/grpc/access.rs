//! Checks the token of a call: `authorization: Bearer TOKEN`, or KEDA's `scalerMetadata`.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    access::{Permit, Refusal, Scope},
    http::{ApiError, AppState},
};

/// Middleware: requires the scope `ingest`, and counts the call against the limits of its token until it is answered.
pub(super) async fn require_ingest(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (token, from) = (bearer(request.headers()), address(&request));
    match admit(&state, token.as_deref(), from, Scope::Ingest).await {
        Ok(_permit) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Returns the right to run a call with this token.
///
/// # Errors
/// 401, 403 or 429, which say what is missing.
pub(super) async fn admit(
    state: &AppState,
    token: Option<&[u8]>,
    from: Option<IpAddr>,
    scope: Scope,
) -> Result<Permit, ApiError> {
    let caller = state.auth.identify(token, from).await.map_err(|refusal| match refusal {
        Refusal::TooMany { retry_after } => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tokens", refusal.to_string())
                .retry_after(retry_after)
        }
        Refusal::Missing | Refusal::Wrong => {
            let message = format!("{refusal}: send the metadata `authorization: Bearer TOKEN`");
            ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        }
    })?;
    caller.require(scope).map_err(|error| ApiError::new(StatusCode::FORBIDDEN, "forbidden", error.to_string()))?;
    caller.admit().map_err(|reached| {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "token_limit", reached.to_string())
            .retry_after(reached.retry_after)
    })
}

/// Returns the token of the metadata.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Vec<u8>> {
    let header = headers.get(AUTHORIZATION)?.as_bytes();
    let space = header.iter().position(|byte| *byte == b' ')?;
    header[..space].eq_ignore_ascii_case(b"bearer").then(|| header[space..].trim_ascii().to_vec())
}

/// Returns the address of the caller, if it is known.
pub(super) fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}
