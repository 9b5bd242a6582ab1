//! Calls the service's own routes, so that a tool answers with exactly what HTTP does, under the same rules.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, header::CONTENT_TYPE},
};
use serde_json::{Map, Value};
use tower::ServiceExt;

use crate::{access::Caller, http::guard};

/// Largest answer of a tool in bytes: an agent reads all of it.
const MAX_ANSWER_BYTES: usize = 512 << 10;

/// A call of a route.
#[derive(Debug)]
pub(super) enum Call {
    /// GET of a path with a query string.
    Get(String, Vec<(String, String)>),
    /// POST of JSON to a path.
    Post(&'static str, Value),
}

/// The routes, without the middleware in front of them: the request for the tool has passed that.
#[derive(Debug, Clone)]
pub(super) struct Inside(Router);

impl Inside {
    pub(super) fn new(router: Router) -> Self {
        Self(router)
    }

    /// Returns the answer of a route as JSON.
    ///
    /// # Errors
    /// The message of the route's error; that the caller lacks the scope; that the answer is too large.
    pub(super) async fn call(&self, caller: &Caller, route: &str, call: Call) -> Result<Value, String> {
        may(caller, route)?;
        let (method, uri, body) = match call {
            Call::Get(path, query) if query.is_empty() => (Method::GET, path, None),
            Call::Get(path, query) => {
                let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
                (Method::GET, format!("{path}?{query}"), None)
            }
            Call::Post(path, body) => (Method::POST, path.to_owned(), Some(body)),
        };
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.extension(caller.clone()).body(body).map_err(|error| error.to_string())?;
        let response = match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let answer = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.map_err(|_| {
            format!(
                "the answer has more than {} KiB: ask for less, with limit, a longer step, a shorter span or narrower matchers",
                MAX_ANSWER_BYTES >> 10
            )
        })?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| error.to_string());
        }
        Err(message(&answer).unwrap_or_else(|| status.to_string()))
    }
}

/// Whether the caller has the scope of a route.
///
/// # Errors
/// Which scope is missing.
pub(super) fn may(caller: &Caller, route: &str) -> Result<(), String> {
    guard::scope(route).map_or(Ok(()), |scope| caller.require(scope).map_err(|error| error.to_string()))
}

/// Returns the message of an error: of the service's own form, of Prometheus' form, or a plain text.
fn message(answer: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Map<String, Value>>(answer) {
        Ok(body) => {
            let own = body.get("error").and_then(|error| error.get("message"));
            own.or(body.get("error"))?.as_str()?.to_owned()
        }
        Err(_) => String::from_utf8_lossy(answer).trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_every_form_of_error_is_found() {
        let check = |answer: &str, expected: Option<&str>| assert_eq!(message(answer.as_bytes()).as_deref(), expected);
        check(r#"{"error": {"code": "unknown", "message": "own"}}"#, Some("own"));
        check(r#"{"status": "error", "errorType": "bad_data", "error": "Prometheus'"}"#, Some("Prometheus'"));
        check("plain\n", Some("plain"));
        check("", None);
        check("{}", None);
    }
}
