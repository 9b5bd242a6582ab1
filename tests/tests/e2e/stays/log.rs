//! The log as JSON, and the ids of requests in it.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use super::wait_until;
use crate::harness::{Server, almanac, run};

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn every_line_is_an_object_and_an_error_is_found_by_its_id() {
    let folder = tempdir().unwrap();
    let mut command = almanac(folder.path());
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "info,tower_http=debug"])
        .env("ALMANAC_LOG_FORMAT", "json");
    let server = Server::from_command(command);
    let refused = server.get("/v1/nothing");
    let id = refused.json()["error"]["request_id"].as_str().unwrap().to_owned();
    assert_eq!(refused.header("x-request-id"), Some(id.as_str()));
    let given = server.send(server.request("GET", "/v1/nothing?token=secret").header("x-request-id", "of-the-client"));
    assert_eq!(given.json()["error"]["request_id"], "of-the-client");
    let replaced = server.send(server.request("GET", "/v1/nothing").header("x-request-id", "bad id"));
    assert_ne!(replaced.header("x-request-id"), Some("bad id"));
    // The handler of a deletion logs who did it, through the audit, and the store on threads of its own.
    for (id, path) in [(id.as_str(), "/v1/nothing"), ("of-the-client", "/v1/nothing")] {
        wait_until(&server, "the line of the request", || {
            parsed(&server.log()).iter().any(|line| {
                line["span"]["request_id"] == id && line["span"]["path"] == path && line["span"]["method"] == "GET"
            })
        });
    }
    let lines = parsed(&server.log());
    for line in &lines {
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        assert!(
            line["level"].is_string() && line["target"].is_string() && line["fields"]["message"].is_string(),
            "{line}"
        );
    }
    assert!(lines.iter().any(|line| line["fields"]["message"].as_str().unwrap().starts_with("listening on http://")));
    assert!(!server.log().iter().any(|line| line.contains("secret") || line.contains("bad id")));
}

#[test]
fn the_error_of_a_command_is_an_object_too() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("text.duckdb"), "hello").unwrap();
    let ended = run(folder.path(), ["check", "--db", "text.duckdb", "--log-format", "json"]);
    let lines = parsed(&ended.stderr.lines().map(str::to_owned).collect::<Vec<_>>());
    let last = lines.last().unwrap();
    assert_eq!((ended.code, &last["level"]), (Some(1), &"ERROR".into()));
    assert!(last["fields"]["message"].as_str().unwrap().contains("is not an Almanac store"), "{last}");
    let wrong = run(folder.path(), ["check", "--log-format", "xml"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("text, json"), "{wrong:?}");
}
