//! OpenTelemetry's SDK for Python, over HTTP with gzip and over gRPC with gzip.

use std::process::Command;

use tempfile::tempdir;

use super::{python, query, start, value};
use crate::harness::{Server, project};

/// Sends with the SDK; it reports failures by its exit status.
fn send(protocol: &str, endpoint: &str, token: &str) {
    let mut command = Command::new(python());
    command.arg(project().join("tests/clients/otlp/send.py")).args([protocol, endpoint, token]);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    let ended = command.output().unwrap();
    let output = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("\n");
    assert!(ended.status.success(), "{protocol}: {output}");
}

fn check(server: &Server, protocol: &str) {
    let instance = format!("instance=\"{protocol}-1\"");
    let one = |name: &str, more: &str| value(server, &format!("{name}{{{instance}{more}}}"));
    for temporality in ["cumulative", "delta"] {
        let name = |name: &str| format!("{temporality}_{name}");
        assert_eq!(one(&name("orders_total"), ",order_outcome=\"paid\""), 23.0);
        assert_eq!(one(&name("io_bytes_total"), ""), 23_000.0);
        assert_eq!(one(&name("waiting"), ""), 5.0);
        assert_eq!(one(&name("utilization_ratio"), ""), 0.25);
        assert_eq!(one(&name("duration_seconds_count"), ",http_route=\"/pay\""), 230.0);
        assert_eq!(one(&name("duration_seconds_bucket"), ",le=\"0.1\""), 207.0);
        assert_eq!(one(&name("duration_seconds_bucket"), ",le=\"1\""), 230.0);
        let exponential = format!("{}{{{instance}}}", name("exponential_seconds"));
        assert_eq!(value(server, &format!("histogram_count({exponential})")), 230.0);
        let median = value(server, &format!("histogram_quantile(0.5, sum({exponential}))"));
        assert!((median / 0.5 - 1.0).abs() < 0.02, "{median}");
        let zeros = format!("count_over_time({}{{{instance}}}[5m])", name("orders_total"));
        assert!(value(server, &zeros) >= 2.0, "the zero at the start and the exports");
    }
    let labels = &query(server, &format!("cumulative_orders_total{{{instance}}}"))[0].0;
    for (name, expected) in [
        ("job", "demo/shop"),
        ("otel_scope_name", "checkout"),
        ("otel_scope_version", "1.2.3"),
        ("otel_scope_team", "payments"),
    ] {
        assert_eq!(labels[name], expected, "{labels}");
    }
    let target = &query(server, &format!("target_info{{{instance}}}"))[0].0;
    assert!(
        target["deployment_environment_name"] == "test" && target["telemetry_sdk_language"] == "python",
        "{target}"
    );
}

#[test]
fn the_python_sdk_is_understood_over_http_and_grpc() {
    let folder = tempdir().unwrap();
    let (server, grpc) = start(folder.path(), &["--token", "secret"]);
    let server = server.with_token("secret");
    send("http", &server.url, "secret");
    check(&server, "http");
    let calls = |labels: &str| value(&server, &format!("traces_span_metrics_calls_total{{{labels}}}"));
    let route = "service_name=\"shop\",span_name=\"GET /orders/{id}\",http_route=\"/orders/{id}\"";
    assert_eq!(calls(&format!("{route},status_code=\"STATUS_CODE_ERROR\",span_kind=\"SPAN_KIND_SERVER\"")), 1.0);
    assert_eq!(calls(&format!("{route},status_code=\"STATUS_CODE_UNSET\"")), 9.0);
    assert_eq!(calls("span_name=\"query\",span_kind=\"SPAN_KIND_INTERNAL\",status_code=\"STATUS_CODE_UNSET\""), 10.0);
    let logs = |labels: &str| value(&server, &format!("log_messages_total{{service_name=\"shop\",{labels}}}"));
    assert_eq!(logs("severity=\"INFO\",template=\"order <*> paid by <*>\""), 20.0);
    assert_eq!(logs("severity=\"ERROR\",template=\"payment of order <*> declined\""), 3.0);

    send("grpc", &grpc, "secret");
    check(&server, "grpc");
    assert_eq!(calls("span_name=\"query\""), 20.0);
    assert_eq!(logs("severity=\"ERROR\""), 6.0);
    assert!(server.stop().success());
}
