//! The id of a request: of the client or made here, in the lines of the log, in the response's header and in errors.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Span;

/// Header of the id, in requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Most characters of an id of a client.
const LONGEST: usize = 64;

tokio::task_local! {
    /// The id of the request that the task answers.
    static CURRENT: RequestId;
}

/// The id of a request: 1 to 64 letters, digits, `-`, `_`, `.` or `:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// Returns the id of the client if it is well-formed; another one otherwise.
    fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next().map(HeaderValue::as_bytes), given.next()) {
            (Some(id), None) if is_well_formed(id) => Self(String::from_utf8_lossy(id).into()),
            _ => Self(format!("{:016x}", rand::random::<u64>()).into()),
        }
    }

    /// Returns the id of the request that is answered; `None` outside of one.
    pub(super) fn current() -> Option<String> {
        CURRENT.try_with(|id| id.0.to_string()).ok()
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_allowed)
}

/// Middleware: gives the request its id, and the response the header. It is outside of the layer that traces.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Returns the span of a request, which all lines of the log about it have.
pub(crate) fn request_span(request: &Request<Body>) -> Span {
    let id = request.extensions().get::<RequestId>().map(|id| &*id.0).unwrap_or_default();
    // Without the query, which may have a token.
    tracing::info_span!("request", request_id = id, method = %request.method(), path = request.uri().path())
}

/// Runs blocking work of a request on a thread for it; the lines that it logs are those of the request.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_client_is_kept_if_it_is_well_formed() {
        let check = |given: &[&[u8]], is_kept: bool| {
            let mut headers = HeaderMap::new();
            for id in given {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            }
            let id = RequestId::of(&headers).0;
            assert_eq!(given.first().is_some_and(|first| id.as_bytes() == *first), is_kept, "{given:?}: {id}");
            assert!(is_well_formed(id.as_bytes()));
        };
        check(&[b"a"], true);
        check(&[b"6b1f0b1e-8d36-4c5a-9a53-4f3d2f0c9e11"], true);
        check(&[b"00-4bf92f3577b34da6:trace_1.2"], true);
        check(&[&[b'x'; 64]], true);
        check(&[&[b'x'; 65]], false);
        check(&[b""], false);
        check(&[b"two words"], false);
        check(&[b"\"quoted\""], false);
        check(&[b"\xff\xfe"], false);
        check(&[b"first", b"second"], false);
        check(&[], false);
    }

    #[test]
    fn ids_that_are_made_differ() {
        let made: std::collections::HashSet<_> = (0..100).map(|_| RequestId::of(&HeaderMap::new()).0).collect();
        assert_eq!(made.len(), 100);
    }
}
