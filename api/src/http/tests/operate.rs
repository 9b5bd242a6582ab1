//! Tests of health, metrics, authentication and errors.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};

use super::TestService;
use crate::{access::Auth, config::Config};

#[test]
fn health_and_readiness_answer() {
    let service = TestService::new();
    assert_eq!(service.get("/healthz").json()["status"], "ok");
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (StatusCode::OK, r#"{"status":"ready","series":4,"samples":964}"#)
    );
    service.store().clone().close().unwrap();
    let stopped = service.get("/-/ready");
    assert_eq!(stopped.status, StatusCode::SERVICE_UNAVAILABLE);
    let unready = service.get("/readyz");
    assert_eq!(
        (unready.status, &unready.json()["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"store_failed".into())
    );
}

#[test]
fn requests_and_scores_are_in_the_metrics() {
    let service = TestService::new();
    service.get("/v1/signals");
    service.get("/no/such/path");
    let reply = service.get("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text();
    for line in [
        r#"almanac_http_requests_total{method="GET",path="/v1/signals",status="200"} 1"#,
        r#"almanac_http_requests_total{method="GET",path="",status="404"} 1"#,
        "almanac_store_series 4",
        "almanac_store_samples_written_total 964",
        "# TYPE almanac_store_samples_written_total counter",
        "# HELP almanac_store_samples_written_total Samples written.",
        // The newest of three scored points.
        r#"almanac_signal_value{signal="api.rate"} 3.5"#,
        r#"almanac_signal_expected{signal="api.rate"} 3.0"#,
        r#"almanac_signal_lower{signal="api.rate"} 2.0"#,
        r#"almanac_signal_upper{signal="api.rate"} 4.0"#,
        r#"almanac_signal_anomaly_score{signal="api.rate"} 0.5"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("# EOF"), "EOF belongs to OpenMetrics");
}

#[test]
fn the_description_is_generated_from_the_routes() {
    insta::assert_snapshot!("openapi", TestService::new().get("/openapi.json").shown());
}

/// Generators of clients use the operation ids as names of functions.
#[test]
fn every_operation_has_a_unique_id() {
    let described = serde_json::to_value(crate::http::openapi()).unwrap();
    let mut seen = std::collections::HashSet::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(seen.insert(id.to_owned()), "{id} names {method} {path} and another one");
        }
    }
}

#[test]
fn errors_of_the_router_and_extractors_have_the_same_format() {
    let service = TestService::new();
    insta::assert_snapshot!("unknown_path", service.get("/v2/nothing").shown());
    let reply = service.get("/v1/sql");
    insta::assert_snapshot!("wrong_method", reply.shown());
    assert_eq!(reply.header("allow"), "POST");
    insta::assert_snapshot!("wrong_type", service.post("/v1/sql", "text/plain", "SELECT 1").shown());
    insta::assert_snapshot!(
        "wrong_body",
        service.post("/v1/sql", "application/json", r#"{"sqll":"SELECT 1"}"#).shown()
    );
}

#[test]
fn bodies_above_the_limit_are_rejected() {
    let config = Config::parse("[server]\nmax_body = \"1KiB\"", "almanac.toml".as_ref()).unwrap();
    let service = TestService::with(Auth::open(), config);
    let long = serde_json::json!({ "sql": "x".repeat(2000) });
    let reply = service.post_json("/v1/sql", &long);
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &"body_too_large".into())
    );
}

#[test]
fn only_health_needs_no_token() {
    let service = TestService::with(Auth::token("secret"), Config::default());
    assert_eq!(service.get("/healthz").status, StatusCode::OK);
    assert_eq!(service.get("/readyz").status, StatusCode::OK);
    for path in ["/metrics", "/v1/signals", "/openapi.json", "/grafana", "/nothing"] {
        let reply = service.get(path);
        assert_eq!((reply.status, reply.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"), "{path}");
        assert_eq!(reply.json()["error"]["code"], "unauthorized");
    }
    let prometheus = service.get("/api/v1/labels");
    assert_eq!((prometheus.status, &prometheus.json()["status"]), (StatusCode::UNAUTHORIZED, &"error".into()));
    assert_eq!(prometheus.json()["errorType"], "unauthorized");
    assert_eq!(prometheus.header("www-authenticate"), "Bearer");
    for open in ["/-/healthy", "/-/ready"] {
        let reply = service.get(open);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (StatusCode::OK, "text/plain; charset=utf-8"),
            "{open}"
        );
    }
    let with = |token: &str| {
        let request = Request::get("/v1/signals").header("authorization", token).body(Body::empty()).unwrap();
        service.send(request).status
    };
    assert_eq!(with("Bearer secret"), StatusCode::OK);
    assert_eq!(with("Bearer secrets"), StatusCode::UNAUTHORIZED);
    // "prometheus:secret" and "secret:prometheus".
    assert_eq!(with("Basic cHJvbWV0aGV1czpzZWNyZXQ="), StatusCode::OK);
    assert_eq!(with("Basic c2VjcmV0OnByb21ldGhldXM="), StatusCode::UNAUTHORIZED);
}

#[test]
fn responses_are_compressed_on_request() {
    let service = TestService::new();
    let request = Request::get("/openapi.json").header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let reply = service.send(request);
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert_eq!(&reply.body[..2], [0x1f, 0x8b]);
}

#[test]
fn compaction_on_demand_reports_its_result() {
    let service = TestService::new();
    let reply = service.post("/v1/admin/compact", "application/json", "{}");
    assert_eq!((reply.status, &reply.json()["samples_moved"]), (StatusCode::OK, &964.into()), "{}", reply.text());
    assert_eq!(service.post("/v1/admin/compact?what=some", "application/json", "").status, StatusCode::BAD_REQUEST);
    assert_eq!(service.get("/v1/samples?metric=up&from=now-30s").json().as_array().unwrap().len(), 6);
}
