//! OTLP and KEDA with the clients that people use: OpenTelemetry's SDKs for Python and Rust, requests of the Collector, a
//! generated client of KEDA's external scaler.

#![expect(clippy::float_cmp, reason = "these values are exact")]

mod errors;
mod external_metrics;
mod grpc;
mod keda;
mod loops;
mod metrics;
mod python;
mod rust;
mod telemetry;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Server, almanac, venv_python};

/// Line with which the service reports the address of gRPC.
const GRPC: &str = "almanac: gRPC on ";

/// Starts the service in `folder` with both listeners on free ports, and returns the address of gRPC.
fn start(folder: &Path, args: &[&str]) -> (Server, String) {
    let mut command = almanac(folder);
    command.args(["serve", "--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"]).args(args);
    let server = Server::from_command(command);
    let address = server.log().iter().find_map(|line| line.strip_prefix(GRPC).map(str::to_owned)).unwrap();
    let address = address.split_once("://").unwrap().1.to_owned();
    (server, address)
}

/// Returns the Python with OpenTelemetry's SDK and with gRPC.
fn python() -> PathBuf {
    venv_python("otlp", "tests/clients/otlp/requirements.txt")
}

/// Returns the present time in nanoseconds.
fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// Evaluates an expression at a time in seconds, or now. Returns `[labels, value]` of each series, ordered by labels.
fn query(server: &Server, expr: &str) -> Vec<(Value, f64)> {
    let query = [("query", expr.to_owned())];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query));
    assert_eq!(reply.status, 200, "{expr}: {}", reply.text());
    let body = reply.json();
    let rows = body["data"]["result"].as_array().unwrap().iter();
    let mut found: Vec<(Value, f64)> =
        rows.map(|row| (row["metric"].clone(), row["value"][1].as_str().unwrap().parse().unwrap())).collect();
    found.sort_by_key(|(labels, _)| labels.to_string());
    found
}

/// Evaluates an expression that gives one series.
fn value(server: &Server, expr: &str) -> f64 {
    let found = query(server, expr);
    assert_eq!(found.len(), 1, "{expr}: {found:?}\n{:?}", query(server, "{__name__=~\".+\"}"));
    found[0].1
}

/// Returns an export with one metric, as JSON of the Collector.
fn one_metric(metric: &Value) -> Value {
    json!({"resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "shop"}},
            {"key": "service.instance.id", "value": {"stringValue": "1"}},
            {"key": "host.name", "value": {"stringValue": "web-1"}}]},
        "scopeMetrics": [{"scope": {"name": "checkout", "version": "1.2.3"}, "metrics": [metric]}]}]})
}
