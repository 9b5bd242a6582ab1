//! The Model Context Protocol with its Python SDK, in both forms of the protocol: tools, their answers, scopes and errors.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use almanac_engine::store::{
    Store, StoreOptions,
    rows::{AnomalyKind, AnomalyRow, Deploy, EventBatch, SuspectedIncidentRow},
};
use almanac_models::Timestamp;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::propose;
use crate::harness::{Server, project, run, venv_python};

/// 2026-10-01 10:00 UTC.
const START: i64 = 1_790_848_800_000;
const MINUTE: i64 = 60_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(START + minute * MINUTE)
}

/// Writes a recommendation, an incident with its anomalies, and a deploy.
fn seed(folder: &Path) -> String {
    let store = Store::open(&folder.join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let id = propose(&store, at(0));
    let anomaly = |signal: &str, minute: i64, score: f64| AnomalyRow {
        signal: signal.into(),
        timestamp: at(minute),
        value: 310.0,
        yhat: 120.0,
        yhat_lower: 90.0,
        yhat_upper: 150.0,
        score,
        kind: AnomalyKind::Value,
    };
    store.put_anomalies(&[anomaly("queue", 0, 2.0), anomaly("queue", 1, 6.5), anomaly("latency", 1, 1.5)]).unwrap();
    let incident = SuspectedIncidentRow {
        started_at: at(0),
        ended_at: at(1),
        first_mover: "queue".into(),
        confidence: 0.8,
        signals: vec!["queue".into(), "latency".into()],
        peak: 6.5,
    };
    store.put_suspected_incidents(&[incident], at(-1)).unwrap();
    let deploy = Deploy { at: at(-7), service: "api".into(), version: Some("v2".into()) };
    store.put_events(EventBatch { deploys: vec![deploy], ..EventBatch::default() }).unwrap();
    store.close().unwrap();
    id
}

/// Makes the calls with the SDK.
fn ask(server: &Server, token: &str, mode: &str, calls: &Value) -> Value {
    let mut command = Command::new(venv_python("mcp", "tests/clients/mcp/requirements.txt"));
    command.arg(project().join("tests/clients/mcp/ask.py")).args([&format!("{}/mcp", server.url), token, mode]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(calls.to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

fn names(said: &Value) -> Vec<&str> {
    said["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn agents_read_recommendations_incidents_promql_and_sql() {
    let folder = tempdir().unwrap();
    let id = seed(folder.path());
    let server = Server::start(folder.path());
    let csv: String = (0..30).fold("series,timestamp,value\n".to_owned(), |csv, minute| {
        format!("{csv}\"depth{{queue=\"\"mail\"\"}}\",{},{minute}\n", at(minute).millis())
    });
    assert_eq!(server.post("/v1/import?file=depth.csv", "text/csv", csv).status, 200);

    let calls = json!([
        ["list_recommendations", {}],
        ["list_recommendations", {"state": ["verified"]}],
        ["get_recommendation", {"id": id}],
        ["explain_incident", {"time": "2026-10-01T12:00:00Z"}],
        ["list_metrics", {}],
        ["list_series", {"match": "depth"}],
        ["query_promql", {"query": "depth + 1", "time": at(10).millis()}],
        ["query_promql_range", {"query": "depth", "from": "2026-10-01T10:00:00Z", "to": "2026-10-01T10:10:00Z", "step": "5m"}],
        ["query_promql", {"query": "almanac_signal_anomaly_score", "time": "2026-10-01T10:01:00Z"}],
        ["list_anomalies", {"signal": "latency"}],
        ["list_incidents", {"from": "2026-10-01T00:00:00Z", "limit": 5}],
        ["list_deploys", {}],
        ["run_sql", {"sql": "SELECT count(*) AS n, max(value) AS most FROM samples"}],
        ["describe_tables", {}],
        ["advice_status", {}],
        ["list_signals", {}],
        ["get_forecast", {"signal": ["queue"]}],
        ["list_breaches", {}],
    ]);
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let said = ask(&server, "", mode, &calls);
        assert_eq!((&said["protocol"], &said["server"]), (&json!(protocol), &json!("almanac")));
        assert!(said["instructions"].as_str().unwrap().contains("explain_incident"));
        for tool in said["tools"].as_array().unwrap() {
            assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
            assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        }
        let answers = said["answers"].as_array().unwrap();
        let called: Vec<&str> = calls.as_array().unwrap().iter().map(|call| call[0].as_str().unwrap()).collect();
        assert!(names(&said).iter().all(|name| called.contains(name)), "every tool is called: {:?}", names(&said));
        let answer = |idx: usize| {
            assert_eq!(answers[idx]["is_error"], false, "{}: {}", called[idx], answers[idx]);
            // Clients without structured answers read the text.
            let text: Value = serde_json::from_str(answers[idx]["text"].as_str().unwrap()).unwrap();
            assert_eq!(text, answers[idx]["answer"]);
            text
        };
        let listed = answer(0);
        assert_eq!(
            (&listed["recommendations"][0]["id"], &listed["recommendations"][0]["evidence"]["before"]),
            (&json!(id), &json!(0.5))
        );
        assert_eq!(answer(1)["recommendations"], json!([]));
        assert_eq!((&answer(2)["patch"]["body"], &answer(2)["history"][0]["to"]), (&json!("600"), &json!("proposed")));
        let explained = answer(3);
        let sentences = explained["sentences"].as_array().unwrap();
        assert!(sentences[0].as_str().unwrap().contains("queue is the first of 2 signals"), "{explained}");
        assert!(sentences.contains(&json!("api v2 was released 7m before the start.")), "{explained}");
        assert_eq!(explained["departures"][0]["peak"]["score"], 6.5);
        assert_eq!(answer(4)["data"], json!(["depth"]));
        assert_eq!(answer(5)["data"], json!([{"__name__": "depth", "queue": "mail"}]));
        assert_eq!(answer(6)["data"]["result"][0]["value"][1], "11");
        assert_eq!(answer(7)["data"]["result"][0]["values"].as_array().unwrap().len(), 3);
        assert_eq!(answer(8)["data"]["result"].as_array().unwrap().len(), 2);
        assert_eq!(answer(9)["rows"][0]["score"], 1.5);
        assert_eq!(answer(10)["rows"][0]["first_mover"], "queue");
        assert_eq!(answer(11)["rows"][0]["version"], "v2");
        assert_eq!(answer(12)["rows"], json!([[30, 29.0]]));
        assert!(answer(13)["rows"].as_array().unwrap().iter().any(|row| row[0] == "samples" && row[1] == "value"));
        assert_eq!(answer(14)["advice"], json!([]));
        assert_eq!((15..18).map(|idx| answer(idx)["rows"].clone()).collect::<Vec<_>>(), vec![json!([]); 3]);
    }
}

#[test]
fn tools_follow_the_scopes_and_say_what_is_wrong() {
    let folder = tempdir().unwrap();
    let [reader, analyst] = ["read", "read,sql"].map(|scope| {
        let made = run(folder.path(), ["token", "new", "--scope", scope, "--name", &scope.replace(',', "-")]);
        made.stdout.trim().to_owned()
    });
    let server = Server::start(folder.path());
    let calls = json!([
        ["run_sql", {"sql": "SELECT 1"}],
        ["run_sql", {"sql": "DELETE FROM samples"}],
        ["run_sql", {"query": "SELECT 1"}],
        ["query_promql", {"query": "rate(up"}],
        ["query_promql", {}],
        ["get_recommendation", {"id": "none/../x?y"}],
        ["explain_incident", {}],
        ["list_anomalies", {"from": "yesterday"}],
        ["run_sql", {"sql": "SELECT range FROM range(200000)", "limit": 200000}],
    ]);
    let said = ask(&server, &analyst, "auto", &calls);
    let messages: Vec<(bool, &str)> = said["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["is_error"] == true, answer["text"].as_str().unwrap()))
        .collect();
    assert!(!messages[0].0 && messages[1..].iter().all(|(is_error, _)| *is_error), "{messages:#?}");
    for ((_, message), part) in messages[1..].iter().zip([
        "SELECT",
        "there is no argument \"query\"; the tool has sql, limit",
        "line 1, column 5",
        "query is missing: PromQL expression",
        "none/../x?y",
        "no incident was suspected until",
        "write epoch milliseconds, RFC 3339, now or now-6h",
        "the answer has more than 512 KiB: ask for less",
    ]) {
        assert!(message.contains(part), "{part} is not in {message}");
    }

    let said = ask(&server, &reader, "legacy", &json!([["run_sql", {"sql": "SELECT 1"}], ["list_metrics", {}]]));
    assert!(!names(&said).contains(&"run_sql") && names(&said).contains(&"query_promql"), "{:?}", names(&said));
    assert_eq!(said["answers"][0]["text"], "token \"read\" lacks the scope sql; it has read");
    assert_eq!(said["answers"][1]["is_error"], false);

    // Without a token, from another page, and with what is not the protocol.
    assert_eq!(server.post_json("/mcp", &json!({})).status, 401);
    let server = server.with_token(&reader);
    let foreign = server.request("POST", "/mcp").header("origin", "http://evil.example").body("{}");
    assert_eq!(server.send(foreign.header("content-type", "application/json")).status, 403);
    assert_eq!(server.get("/mcp").status, 405);
    for body in
        ["", "{", "[]", "null", "{\"jsonrpc\": \"2.0\"}", "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"none\"}"]
    {
        let request = server.request("POST", "/mcp").header("content-type", "application/json").body(body);
        let reply = server.send(request.header("accept", "application/json, text/event-stream"));
        assert!(
            (400..500).contains(&reply.status) || reply.json()["error"]["code"].is_i64(),
            "{body}: {}",
            reply.text()
        );
    }
}
