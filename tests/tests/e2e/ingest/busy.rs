//! A full queue: senders get 429, and repeated requests lose no samples.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::tempdir;

use super::proto::{request, series};
use crate::harness::{Reply, Server};

const SENDERS: i64 = 8;
const REQUESTS: i64 = 12;
const SAMPLES: i64 = 500;

fn send(server: &Server, sender: i64, number: i64) -> Reply {
    let samples: Vec<(i64, f64)> = (0..SAMPLES).map(|row| (number * SAMPLES + row, 1.0)).collect();
    let body = request(vec![series(&[("__name__", "load"), ("sender", &sender.to_string())], &samples)]);
    let write = server.request("POST", "/api/v1/write").header("content-type", "application/x-protobuf");
    server.send(write.header("content-encoding", "snappy").body(body))
}

#[test]
fn a_full_queue_answers_429_with_retry_after_and_repeated_requests_lose_nothing() {
    let folder = tempdir().unwrap();
    // The queue has space for one request: another one that arrives meanwhile is rejected.
    fs::write(folder.path().join("almanac.toml"), "[store]\nqueue = \"1KiB\"\n").unwrap();
    let server = Server::start(folder.path());
    let busy = AtomicUsize::new(0);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (server, busy) = (&server, &busy);
            scope.spawn(move || {
                for number in 0..REQUESTS {
                    loop {
                        let reply = send(server, sender, number);
                        if reply.status == 204 {
                            break;
                        }
                        assert_eq!(reply.status, 429, "{}", reply.text());
                        assert_eq!(reply.header("retry-after"), Some("1"));
                        busy.fetch_add(1, Ordering::Relaxed);
                        // Earlier than `Retry-After`, so that the test is short.
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
    });
    let busy = busy.into_inner();
    assert!(busy > 0, "no request was rejected");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains(&format!("almanac_store_busy_total {busy}\n")), "{busy}: {metrics}");
    let query = [("query", "count_over_time(load[1d])"), ("time", "3600")];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query)).json();
    let counts: Vec<_> =
        reply["data"]["result"].as_array().unwrap().iter().map(|one| one["value"][1].clone()).collect();
    assert_eq!(counts, vec![json!((REQUESTS * SAMPLES).to_string()); usize::try_from(SENDERS).unwrap()]);
}
