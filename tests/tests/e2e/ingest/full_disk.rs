//! A disk that is temporarily full: senders get 507, no sample is lost, and the same process continues once there is
//! space.

use std::process::Command;

use serde_json::json;
use tempfile::tempdir;

use super::proto::{request, series};
use crate::harness::{Reply, Server, almanac_after};

const SAMPLES: i64 = 20_000;

fn send(server: &Server, number: i64) -> Reply {
    let samples: Vec<(i64, f64)> = (0..SAMPLES).map(|row| (number * SAMPLES + row, row as f64)).collect();
    let body = request(vec![series(&[("__name__", "load")], &samples)]);
    let write = server.request("POST", "/api/v1/write").header("content-type", "application/x-protobuf");
    server.send(write.header("content-encoding", "snappy").body(body))
}

fn count(server: &Server) -> serde_json::Value {
    let query = [("query", "count_over_time(load[1d])"), ("time", "80000")];
    server.send(server.request("GET", "/api/v1/query").query(&query)).json()["data"]["result"][0]["value"][1].clone()
}

#[test]
fn the_same_process_continues_once_there_is_space() {
    let folder = tempdir().unwrap();
    // A limit on the file size simulates a full disk: 8,192 blocks of 512 bytes, without the signal SIGXFSZ.
    let mut command = almanac_after(folder.path(), "trap '' XFSZ; ulimit -S -f 8192;");
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info"]);
    let server = Server::from_command(command);
    let mut acknowledged = 0;
    let refused = loop {
        let reply = send(&server, acknowledged);
        if reply.status != 204 {
            break reply;
        }
        acknowledged += 1;
        assert!(acknowledged < 1_000, "the limit has no effect");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("no space is left on the disk"), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert!(acknowledged > 0);
    // The service still answers writes and queries.
    assert_eq!(send(&server, acknowledged).status, 507);
    assert_eq!(count(&server), json!((acknowledged * SAMPLES).to_string()));
    let freed =
        Command::new("prlimit").args(["--pid", &server.id().to_string(), "--fsize=unlimited"]).status().unwrap();
    assert!(freed.success());
    // Senders repeat the rejected request.
    for number in acknowledged..acknowledged + 3 {
        assert_eq!(send(&server, number).status, 204);
    }
    let expected = json!(((acknowledged + 3) * SAMPLES).to_string());
    assert_eq!(count(&server), expected);
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(count(&server), expected);
}
