//! Health, the token, errors in general.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};

use super::Scene;
use crate::{config::Config, http::Auth};

#[test]
fn health_and_readiness_answer() {
    let scene = Scene::new();
    assert_eq!(scene.get("/healthz").json()["status"], "ok");
    let ready = scene.get("/readyz");
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (StatusCode::OK, r#"{"status":"ready","series":4,"samples":964}"#)
    );
    scene.store().clone().close().unwrap();
    let stopped = scene.get("/-/ready");
    assert_eq!(stopped.status, StatusCode::SERVICE_UNAVAILABLE);
    let unready = scene.get("/readyz");
    assert_eq!(
        (unready.status, &unready.json()["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"store_failed".into())
    );
}

#[test]
fn the_service_counts_itself() {
    let scene = Scene::new();
    scene.get("/v1/signals");
    scene.get("/no/such/path");
    let reply = scene.get("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text();
    for line in [
        r#"almanac_http_requests_total{method="GET",path="/v1/signals",status="200"} 1"#,
        r#"almanac_http_requests_total{method="GET",path="",status="404"} 1"#,
        "almanac_store_series 4",
        "almanac_store_samples_written_total 964",
        "# TYPE almanac_store_samples_written_total counter",
        "# HELP almanac_store_samples_written_total Samples written.",
        // Of three scored points the newest.
        r#"almanac_signal_value{signal="api.rate"} 3.5"#,
        r#"almanac_signal_expected{signal="api.rate"} 3.0"#,
        r#"almanac_signal_lower{signal="api.rate"} 2.0"#,
        r#"almanac_signal_upper{signal="api.rate"} 4.0"#,
        r#"almanac_signal_score{signal="api.rate"} 0.5"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("# EOF"), "the mark of another format");
}

#[test]
fn the_description_is_generated_from_the_routes() {
    insta::assert_snapshot!("openapi", Scene::new().get("/openapi.json").shown());
}

/// Programs that make clients of the description name their functions so.
#[test]
fn every_operation_has_a_name_of_its_own() {
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
fn what_does_not_exist_is_said_in_the_same_shape() {
    let scene = Scene::new();
    insta::assert_snapshot!("unknown_path", scene.get("/v2/nothing").shown());
    let reply = scene.get("/v1/sql");
    insta::assert_snapshot!("wrong_method", reply.shown());
    assert_eq!(reply.header("allow"), "POST");
    insta::assert_snapshot!("wrong_type", scene.post("/v1/sql", "text/plain", "SELECT 1").shown());
    insta::assert_snapshot!("wrong_body", scene.post("/v1/sql", "application/json", r#"{"sqll":"SELECT 1"}"#).shown());
}

#[test]
fn bodies_past_the_limit_are_refused() {
    let config = Config::parse("[server]\nmax_body = \"1KiB\"", "almanac.toml".as_ref()).unwrap();
    let scene = Scene::with(Auth::open(), config);
    let long = serde_json::json!({ "sql": "x".repeat(2000) });
    let reply = scene.post_json("/v1/sql", &long);
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &"body_too_large".into())
    );
}

#[test]
fn without_the_token_only_health_answers() {
    let scene = Scene::with(Auth::token("secret"), Config::default());
    assert_eq!(scene.get("/healthz").status, StatusCode::OK);
    assert_eq!(scene.get("/readyz").status, StatusCode::OK);
    for path in ["/metrics", "/v1/signals", "/openapi.json", "/grafana", "/nothing"] {
        let reply = scene.get(path);
        assert_eq!((reply.status, reply.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"), "{path}");
        assert_eq!(reply.json()["error"]["code"], "unauthorized");
    }
    let prometheus = scene.get("/api/v1/labels");
    assert_eq!((prometheus.status, &prometheus.json()["status"]), (StatusCode::UNAUTHORIZED, &"error".into()));
    assert_eq!(prometheus.json()["errorType"], "unauthorized");
    assert_eq!(prometheus.header("www-authenticate"), "Bearer");
    for open in ["/-/healthy", "/-/ready"] {
        let reply = scene.get(open);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (StatusCode::OK, "text/plain; charset=utf-8"),
            "{open}"
        );
    }
    let with = |token: &str| {
        let request = Request::get("/v1/signals").header("authorization", token).body(Body::empty()).unwrap();
        scene.send(request).status
    };
    assert_eq!(with("Bearer secret"), StatusCode::OK);
    assert_eq!(with("Bearer secrets"), StatusCode::UNAUTHORIZED);
    // "prometheus:secret" and "secret:prometheus".
    assert_eq!(with("Basic cHJvbWV0aGV1czpzZWNyZXQ="), StatusCode::OK);
    assert_eq!(with("Basic c2VjcmV0OnByb21ldGhldXM="), StatusCode::UNAUTHORIZED);
}

#[test]
fn answers_are_compressed_for_those_who_ask() {
    let scene = Scene::new();
    let request = Request::get("/openapi.json").header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let reply = scene.send(request);
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert_eq!(&reply.body[..2], [0x1f, 0x8b]);
}

#[test]
fn compaction_on_demand_says_what_it_did() {
    let scene = Scene::new();
    let reply = scene.post("/v1/admin/compact", "application/json", "{}");
    assert_eq!((reply.status, &reply.json()["samples_moved"]), (StatusCode::OK, &964.into()), "{}", reply.text());
    assert_eq!(scene.post("/v1/admin/compact?what=some", "application/json", "").status, StatusCode::BAD_REQUEST);
    assert_eq!(scene.get("/v1/samples?metric=up&from=now-30s").json().as_array().unwrap().len(), 6);
}
