//! Scraping of targets: samples, staleness, and targets that are down.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::Server;

/// Target that answers every request with its current page; `None` answers 500.
struct Target {
    address: String,
    page: Arc<Mutex<Option<String>>>,
    /// First bytes of the last request.
    head: Arc<Mutex<String>>,
}

impl Target {
    fn start(page: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let page = Arc::new(Mutex::new(Some(page.to_owned())));
        let head = Arc::new(Mutex::new(String::new()));
        let (shared, received) = (Arc::clone(&page), Arc::clone(&head));
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                *received.lock().unwrap() = String::from_utf8_lossy(&request[..read]).into_owned();
                let (status, body) = match &*shared.lock().unwrap() {
                    Some(page) => ("200 OK", page.clone()),
                    None => ("500 Oh No", String::new()),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\
                     Connection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, page, head }
    }

    fn set(&self, page: Option<&str>) {
        *self.page.lock().unwrap() = page.map(str::to_owned);
    }
}

/// Returns the present value of a PromQL expression; null when the series is stale.
fn now(server: &Server, expr: &str) -> Value {
    let reply = server.send(server.request("GET", "/api/v1/query").query(&[("query", expr)]));
    reply.json()["data"]["result"][0]["value"][1].clone()
}

fn wait_for_value(server: &Server, expr: &str, expected: &Value) {
    let started = Instant::now();
    loop {
        let found = now(server, expr);
        if found == *expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{expr}: {found} and not {expected}: {:#?}", server.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_target_is_scraped_and_what_vanishes_is_stale() {
    let target = Target::start("load 1.5\nqueue{instance=\"inner\"} 3\n");
    let folder = tempdir().unwrap();
    let config = format!(
        "[[scrape]]\njob = \"node\"\ntargets = [\"{}\"]\ninterval = \"200ms\"\ntoken = \"secret\"\n",
        target.address
    );
    std::fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    wait_for_value(&server, "queue", &json!("3"));
    wait_for_value(&server, "scrape_samples_scraped", &json!("2"));
    assert!(now(&server, "scrape_duration_seconds").is_string());
    let query =
        [("query", format!("queue{{job=\"node\",instance=\"{}\",exported_instance=\"inner\"}}", target.address))];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query));
    assert_eq!(reply.json()["data"]["result"][0]["metric"].as_object().unwrap().len(), 4);
    let head = target.head.lock().unwrap().to_ascii_lowercase();
    assert!(head.contains("authorization: bearer secret"), "{head}");
    assert!(head.contains("x-prometheus-scrape-timeout-seconds: 0.2"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    target.set(Some("load 2\n"));
    wait_for_value(&server, "queue", &Value::Null);
    wait_for_value(&server, "load", &json!("2"));
    target.set(None);
    wait_for_value(&server, "up", &json!("0"));
    wait_for_value(&server, "load", &Value::Null);
    target.set(Some("load {"));
    thread::sleep(Duration::from_millis(300));
    assert_eq!(now(&server, "up"), json!("0"));
    target.set(Some("load 4\n"));
    wait_for_value(&server, "load", &json!("4"));
    wait_for_value(&server, "up", &json!("1"));
    assert!(server.stop().success());
}

#[test]
fn an_absent_target_is_down_and_its_log_line_has_the_reason() {
    let folder = tempdir().unwrap();
    let config = "[[scrape]]\njob = \"gone\"\ntargets = [\"127.0.0.1:1\"]\ninterval = \"200ms\"\n";
    std::fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    wait_for_value(&server, "up{job=\"gone\"}", &json!("0"));
    // On a busy machine the log line may appear after the value.
    let is_logged = || server.log().iter().any(|line| line.contains("target is down") && line.contains("127.0.0.1:1"));
    let started = Instant::now();
    while !is_logged() {
        assert!(started.elapsed() < Duration::from_secs(20), "{:#?}", server.log());
        thread::sleep(Duration::from_millis(50));
    }
}
