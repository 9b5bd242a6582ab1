//! Scrape targets that send too much, or send the scraper elsewhere.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use tempfile::tempdir;

use super::Memory;
use crate::harness::Server;

/// Starts a target that sends this response to every request; returns its address and the number of requests.
fn target(response: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut vec![0; 4096]);
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(&response);
        }
    });
    (address, requests)
}

fn page(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Returns the last error of each job once every target was scraped.
fn errors(server: &Server, jobs: &[&str]) -> Vec<String> {
    let started = Instant::now();
    loop {
        let rows = server.get("/v1/scrape_targets").json();
        let error = |job: &&str| {
            let row = rows.as_array().unwrap().iter().find(|row| row["job"] == **job)?;
            row["last_error"].as_str().map(str::to_owned)
        };
        let found: Vec<String> = jobs.iter().filter_map(error).collect();
        if found.len() == jobs.len() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{rows}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn hostile_targets_are_down_and_register_nothing() {
    let folder = tempdir().unwrap();
    let lines = |count: usize| (0..count).map(|number| format!("many{number} 1\n")).collect::<String>();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    (0..200).for_each(|_| bomb.write_all(&b"# \n".repeat(350_000)).unwrap());
    let bomb = bomb.finish().unwrap();
    let (elsewhere, followed) = target(page("200 OK", b"secret 1\n"));
    let redirect = format!("302 Found\r\nLocation: http://{elsewhere}/metrics");
    let targets = [
        ("redirect", target(page(&redirect, b"")).0, ""),
        ("many", target(page("200 OK", lines(31).as_bytes())).0, "sample_limit = 30\n"),
        ("late_fault", target(page("200 OK", (lines(30) + "x y z\n").as_bytes())).0, ""),
        ("bomb", target(page("200 OK\r\nContent-Encoding: gzip", &bomb)).0, ""),
        ("long_line", target(page("200 OK", &vec![b'a'; 3 << 20])).0, ""),
    ];
    let sections = targets.iter().map(|(job, address, more)| {
        format!("[[scrape]]\njob = \"{job}\"\ntargets = [\"{address}\"]\ninterval = \"1s\"\n{more}")
    });
    fs::write(folder.path().join("almanac.toml"), sections.collect::<String>()).unwrap();
    let server = Server::start(folder.path());
    let memory = Memory::start(&server);
    let found = errors(&server, &targets.each_ref().map(|(job, ..)| *job));
    for (error, words) in found.iter().zip([
        "the target redirects to http://",
        "the page has 31 samples; sample_limit allows 30",
        "line 31",
        "the page has more than 33554432 bytes",
        "line 1: the line has 3145728 bytes",
    ]) {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(followed.load(Ordering::SeqCst), 0, "the redirect was followed");
    memory.assert_growth(200, "targets");
    // Only the scraper's own series: three of each target.
    let count = server.get("/api/v1/query?query=count({__name__=~\"many.*|secret|x\"})").json();
    assert_eq!(count["data"]["result"], serde_json::json!([]));
    let names = server.get("/api/v1/label/__name__/values").json();
    assert_eq!(names["data"], serde_json::json!(["scrape_duration_seconds", "scrape_samples_scraped", "up"]));
}

/// Redirects are followed when the configuration says so.
#[test]
fn redirects_are_followed_on_request() {
    let folder = tempdir().unwrap();
    let (elsewhere, followed) = target(page("200 OK", b"behind 1\n"));
    let (address, _) = target(page(&format!("302 Found\r\nLocation: http://{elsewhere}/metrics"), b""));
    let config =
        format!("[[scrape]]\njob = \"a\"\ntargets = [\"{address}\"]\ninterval = \"1s\"\nfollow_redirects = true\n");
    fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    let started = Instant::now();
    while server.get("/api/v1/query?query=behind").json()["data"]["result"] == serde_json::json!([]) {
        assert!(started.elapsed() < Duration::from_secs(60), "{:#?}", server.log());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(followed.load(Ordering::SeqCst) > 0);
}
