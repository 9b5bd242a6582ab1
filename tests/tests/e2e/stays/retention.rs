//! Retention that is newly configured holds back a large share until an operator allows it.

use std::fs;

use serde_json::json;
use tempfile::tempdir;

use super::{count, has_logged, import, metric, wait_until};
use crate::harness::{Server, run};

#[test]
fn a_new_retention_waits_for_an_operator() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    // A day and a half of samples, one a minute.
    let lines: String = (0..2_160).map(|minute| format!("up 1 {}\n", minute * 60_000)).collect();
    let text = format!("# TYPE up gauge\n{lines}");
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    assert_eq!(server.post_json("/v1/admin/compact", &json!({})).status, 200);
    assert!(server.stop().success());
    let configuration = "[store]\ncompact_every = \"1s\"\nretention = { raw = \"1d\" }\n";
    fs::write(folder.path().join("almanac.toml"), configuration).unwrap();
    let server = Server::start(folder.path());
    wait_until(&server, "rows are held", || metric(&server, "almanac_store_rows_held") == Some(719.0));
    wait_until(&server, "the line", || has_logged(&server, &["expired rows are held", "compact --allow-drop"]));
    assert_eq!(count(&server), 2_160);
    let ended = run(folder.path(), ["compact", "--url", &server.url]);
    assert!(ended.stdout.contains("719 expired rows are held") && ended.stdout.contains("--allow-drop"), "{ended:?}");
    let wrong = server.post_json("/v1/admin/compact?allow_drop=maybe", &json!({}));
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (400, &json!("invalid_parameter")));
    assert_eq!(count(&server), 2_160);
    let ended = run(folder.path(), ["compact", "--allow-drop", "--url", &server.url]);
    assert!(ended.stdout.contains("719 expired;") && !ended.stdout.contains("held"), "{ended:?}");
    assert_eq!((count(&server), metric(&server, "almanac_store_rows_held")), (1_441, Some(0.0)));
    // One sample more is a small share and goes by itself.
    assert_eq!(import(&server, 2_160 * 60, 1).status, 200);
    assert!(server.stop().success());
    let ended = run(folder.path(), ["compact"]);
    assert!(ended.stdout.contains(" 1 expired;"), "{ended:?}");
}

#[test]
fn the_largest_share_is_checked() {
    let folder = tempdir().unwrap();
    let configuration = "[store]\nretention = { raw = \"1d\", drop_share_max = 20 }\n";
    fs::write(folder.path().join("almanac.toml"), configuration).unwrap();
    let ended = run(folder.path(), ["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("store.retention.drop_share_max is 20; write a share from 0 to 1"),
        "{}",
        ended.stderr
    );
}
