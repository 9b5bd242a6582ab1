//! Spans and log records as the Collector writes them in JSON.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{now_nanos, query, value};
use crate::harness::Server;

fn resource() -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]})
}

/// Returns a span of a server that took `millis`.
fn span(name: &str, millis: u64, status: &Value) -> Value {
    let end = now_nanos();
    json!({"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": "",
        "name": name, "kind": 2, "startTimeUnixNano": (end - millis * 1_000_000).to_string(),
        "endTimeUnixNano": end.to_string(), "status": status, "later": {"a": [1]},
        "attributes": [{"key": "http.route", "value": {"stringValue": "/pay"}}], "events": [], "links": []})
}

#[test]
fn spans_become_calls_and_durations() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let send = |spans: Value| {
        let body = json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"scope": {}, "spans": spans}]}]});
        let reply = server.post_json("/v1/traces", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    assert_eq!(send(json!([span("POST /pay", 3, &json!({})), span("POST /pay", 300, &json!({"code": 2}))])), json!({}));
    assert_eq!(send(json!([span("POST /pay", 30, &json!({})), span("POST /pay", 60_000, &json!({}))])), json!({}));
    let metric = |name: &str, more: &str| format!("traces_span_metrics_{name}{{http_route=\"/pay\"{more}}}");
    assert_eq!(value(&server, &format!("sum({})", metric("calls_total", ""))), 4.0);
    assert_eq!(value(&server, &metric("calls_total", ",status_code=\"STATUS_CODE_ERROR\"")), 1.0);
    let ok = ",status_code=\"STATUS_CODE_UNSET\"";
    for (le, count) in [("0.0025", 0.0), ("0.005", 1.0), ("0.05", 2.0), ("30", 2.0), ("+Inf", 3.0)] {
        assert_eq!(value(&server, &metric("duration_seconds_bucket", &format!("{ok},le=\"{le}\""))), count, "{le}");
    }
    let sum = value(&server, &metric("duration_seconds_sum", ok));
    assert!((sum - 60.033).abs() < 1e-6, "{sum}");
    // The first count is an increase: the counter begins at zero.
    assert!(value(&server, &format!("sum(increase({}))", metric("calls_total", "") + "[5m]")) >= 4.0);
    let mut wrong = span("POST /pay", 1, &json!({}));
    wrong["startTimeUnixNano"] = json!((now_nanos() + 60_000_000_000).to_string());
    let answer = send(json!([wrong]));
    assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1", "{answer}");
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]});
    let reply = server.post_json("/v1/traces", &body);
    assert!(reply.status == 400 && reply.text().contains("ExportTraceServiceRequest"), "{}", reply.text());
}

#[test]
fn log_records_become_counts_by_severity_and_template() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let send = |records: Value| {
        let body = json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"logRecords": records}]}]});
        let reply = server.post_json("/v1/logs", &body);
        assert_eq!((reply.status, reply.json()), (200, json!({})), "{}", reply.text());
    };
    let record = |severity: u8, body: Value| json!({"timeUnixNano": now_nanos().to_string(), "severityNumber": severity, "body": body});
    let text = |text: &str| json!({"stringValue": text});
    send(json!([
        record(17, text("connection to 10.0.0.1:5432 refused after 3 tries\nTraceback:\n  line 7")),
        record(18, text("connection to 10.0.0.2:5432 refused after 5 tries")),
        record(9, text("connection to 10.0.0.3:5432 refused after 1 tries")),
        record(0, text("no severity")),
        {"severityText": "warning", "body": {"kvlistValue": {"values": [
            {"key": "message", "value": {"stringValue": "disk 91 % full"}}, {"key": "disk", "value": {"stringValue": "sda"}}]}}},
        {"severityNumber": 9, "eventName": "user.login"},
    ]));
    send(json!([record(17, text("connection to 10.0.0.9:5432 refused after 4 tries"))]));
    let count = |severity: &str, template: &str| {
        value(
            &server,
            &format!("log_messages_total{{service_name=\"shop\",severity=\"{severity}\",template=\"{template}\"}}"),
        )
    };
    let refused = "connection to <*>:<*> refused after <*> tries";
    assert_eq!(count("ERROR", refused), 3.0);
    assert_eq!(count("INFO", refused), 1.0);
    assert_eq!(count("UNSPECIFIED", "no severity"), 1.0);
    assert_eq!(count("WARN", "disk <*> % full"), 1.0);
    assert_eq!(count("INFO", "user.login"), 1.0);
    // No word of the records but those of the templates is stored.
    assert!(query(&server, "log_messages_total{template=~\".*(Traceback|10.0).*\"}").is_empty());
    assert!(value(&server, "sum(increase(log_messages_total{severity=\"ERROR\"}[5m]))") >= 3.0);
}
