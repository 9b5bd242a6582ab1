//! Answers that are large: they are refused with a reason, or sent in parts.

use std::fmt::Write;

use tempfile::tempdir;

use super::{Memory, now};
use crate::harness::Server;

/// Stores `series` series with `labels` labels that no other series has, and samples at a distance of a second.
fn store_wide(server: &Server, series: usize, labels: usize, samples: i64) {
    let (now, mut text) = (now(), String::new());
    for number in 0..series {
        let labels: Vec<String> = (0..labels).map(|label| format!("l{number}_{label}=\"v\"")).collect();
        for sample in 0..samples {
            writeln!(text, "wide{{{}}} {sample} {}", labels.join(","), now - sample * 1000).unwrap();
        }
    }
    let reply = server.post("/v1/import?format=prometheus", "text/plain", text);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn wide_rows_are_refused_or_sent_in_parts() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    store_wide(&server, 300, 60, 12);
    // 3,600 rows of 18,003 columns: as a tree of JSON several gibibytes.
    let memory = Memory::start(&server);
    let reply = server.get("/v1/samples?metric=wide");
    assert_eq!(reply.status, 422, "{}", reply.text());
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the response would have 3600 rows of 18003 columns; at most"), "{message}");
    memory.assert_growth(150, "refused rows");
    // A label of one series selects its rows and columns alone.
    for (format, first) in [("json", "[{\"time\":"), ("csv", "time,metric,l0_0,")] {
        let memory = Memory::start(&server);
        let path = format!("/v1/samples?metric=wide&from=now-1h&l0_0=v&format={format}");
        let reply = server.send(server.request("GET", &path).header("accept-encoding", "identity"));
        assert_eq!(reply.status, 200);
        assert!(reply.text().starts_with(first));
        assert_eq!(reply.text().matches("Z").count(), 12);
        memory.assert_growth(100, format);
    }
}

#[test]
fn large_results_are_sent_in_parts() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    store_wide(&server, 1000, 2, 2);
    let end = now() / 1000;
    let memory = Memory::start(&server);
    // 1,000 series of 4,001 points: 100 MB of text.
    let path =
        format!("/api/v1/query_range?query=last_over_time(wide[2h])&start={}&end={}&step=1", end + 10, end + 4010);
    let reply = server.send(server.request("GET", &path).header("accept-encoding", "identity"));
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() > 50_000_000, "{}", reply.body.len());
    let ends: &[u8] = b"]]}]}}";
    assert!(reply.body.ends_with(ends), "the response is incomplete");
    memory.assert_growth(350, "a matrix");
    // Grafana's frames of the same points are refused.
    let target = r#"{"refId":"A","target":"last_over_time(wide[2h])"}"#;
    let body = format!(
        r#"{{"range":{{"from":{},"to":{}}},"intervalMs":1000,"targets":[{target}]}}"#,
        (end + 10) * 1000,
        (end + 4010) * 1000
    );
    let memory = Memory::start(&server);
    let reply = server.post("/grafana/query", "application/json", body);
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(reply.text().contains("more than 2000000 points"), "{}", reply.text());
    memory.assert_growth(350, "frames");
}
