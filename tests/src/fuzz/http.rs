//! Targets: bodies and parameters of requests, sent to the router of the service without a socket.

#![expect(clippy::expect_used, reason = "a target without its service cannot run")]

use std::{fmt::Write, sync::LazyLock};

use almanac_api::{
    access::Auth,
    config::Config,
    http::{AppState, Clock, router},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, Uri},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::{
    one_line,
    store::{self, NOW_MS},
};

/// Routes of Grafana's data source.
const GRAFANA: [&str; 8] = [
    "/grafana/query",
    "/grafana/annotations",
    "/grafana/metrics",
    "/grafana/metric-payload-options",
    "/grafana/search",
    "/grafana/variable",
    "/grafana/tag-keys",
    "/grafana/tag-values",
];

/// Routes that take a form or the same parameters in the URL.
const FORMS: [&str; 7] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/labels",
    "/api/v1/series",
];

/// Routes that take parameters in the URL.
const QUERIES: [&str; 17] = [
    "/api/v1/rules",
    "/api/v1/status/tsdb",
    "/api/v1/targets/metadata",
    "/api/v1/label/job/values",
    "/api/v1/metadata",
    "/v1/samples",
    "/v1/forecasts",
    "/v1/anomalies",
    "/v1/incidents",
    "/v1/deploys",
    "/v1/suspected_incidents",
    "/v1/peer_outliers",
    "/v1/correlations",
    "/v1/breaches",
    "/v1/advice",
    "/v1/recommendations",
    "/v1/scaling/api",
];

/// Routes that take a JSON body and change something.
const ACTIONS: [&str; 5] = [
    "/v1/events",
    "/v1/recommendations/scaling-api-1/accept",
    "/v1/recommendations/scaling-api-1/dismiss",
    "/v1/recommendations/scaling-api-1/applied",
    "/v1/admin/delete",
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be started")
});

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let state = AppState::new(store::ingest().store().clone(), Config::default()).expect("an empty store has a state");
    let router = router(AppState { auth: Auth::open(), clock: Clock::fixed(store::now()), ..state });
    let mut telemetry = String::new();
    for step in 0..40 {
        for job in ["api", "web"] {
            let at = NOW_MS - step * 15_000;
            let _ = writeln!(telemetry, "http_requests_total{{job=\"{job}\"}} {} {at}", (40 - step) * 7);
        }
    }
    let import = Request::post("/v1/import?format=prometheus").header("content-type", "text/plain");
    let (status, text) = send(&router, import.body(Body::from(telemetry)).expect("a valid request"));
    assert_eq!(status, StatusCode::OK, "{text}");
    router
});

/// A body for every route of Grafana's data source.
pub(super) fn grafana(data: &[u8]) {
    GRAFANA.iter().for_each(|path| check(json(path, data)));
}

/// A body for every route that changes something.
pub(super) fn actions(data: &[u8]) {
    ACTIONS.iter().for_each(|path| check(json(path, data)));
}

/// A body of an analyst's statement. The statement itself is replaced, because this process would run it.
pub(super) fn sql_body(data: &[u8]) {
    match serde_json::from_slice::<Value>(data) {
        Ok(mut body) => {
            if let Some(text) = body.get_mut("sql").filter(|text| text.is_string()) {
                *text = Value::from("SELECT 1 AS one");
            }
            check(json("/v1/sql", body.to_string().as_bytes()));
        }
        Err(_) => check(json("/v1/sql", data)),
    }
}

/// A remote read: the bytes as they are, and as the message of a valid snappy block.
pub(super) fn remote_read(data: &[u8]) {
    let packed = snap::raw::Encoder::new().compress_vec(data).unwrap_or_default();
    for body in [data.to_vec(), packed] {
        let request = Request::post("/api/v1/read").header("content-type", "application/x-protobuf");
        check(request.body(Body::from(body)).expect("a valid request"));
    }
}

/// Parameters, as forms and in URLs.
pub(super) fn parameters(data: &[u8]) {
    let form = "application/x-www-form-urlencoded";
    for path in FORMS {
        let request = Request::post(path).header("content-type", form).body(Body::from(data.to_vec()));
        check(request.expect("a valid request"));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    for path in FORMS.iter().chain(&QUERIES) {
        let Ok(uri) = format!("{path}?{}", text.trim_end()).parse::<Uri>() else { return };
        check(Request::get(uri).body(Body::empty()).expect("a valid request"));
    }
}

fn json(path: &str, body: &[u8]) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Body::from(body.to_vec())).expect("a valid request")
}

/// Sends a request and asserts that the answer is no failure of the service and that an error is one line.
fn check(request: Request<Body>) {
    let uri = request.uri().clone();
    let (status, text) = send(&ROUTER, request);
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{uri}: {text}");
    if !status.is_success() {
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = ["message", "error"].iter().find_map(|key| body.get(key).and_then(Value::as_str));
        if !status.is_redirection() {
            one_line::check_text(message.unwrap_or_else(|| panic!("{uri}: {status} without a message: {text}")));
        }
    }
}

fn send(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    RUNTIME.block_on(async {
        let response = router.clone().oneshot(request).await.expect("a router always answers");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("an answer ends");
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    })
}
