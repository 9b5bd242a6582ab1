//! Half-open, idle and slow connections, too many of them, and a lack of file descriptors.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use tempfile::tempdir;

use crate::harness::{Server, almanac_after};

/// Starts a service with these keys of `[server]`.
fn start(folder: &Path, keys: &str) -> Server {
    fs::write(folder.join("almanac.toml"), format!("[server]\n{keys}\n")).unwrap();
    Server::start(folder)
}

/// Opens a connection and sends `bytes`. Reading fails after two minutes, so that a test ends.
fn open(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Reads until the service closes the connection.
fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection was not closed"),
        // The service may close while bytes that it did not read are in flight.
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

#[test]
fn slow_headers_and_idle_connections_are_closed() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "header_timeout = \"500ms\"\nidle_timeout = \"700ms\"");
    assert_eq!(read_to_end(open(&server, b"")), "");
    assert_eq!(read_to_end(open(&server, b"GET /healthz HTTP/1.1\r\nHost: loc")), "");
    // A byte at a time does not extend the time for headers.
    let mut drip = open(&server, b"GET /healthz HTTP/1.1\r\n");
    let dripped = (0..1200).position(|_| {
        std::thread::sleep(Duration::from_millis(100));
        drip.write_all(b"X").is_err()
    });
    assert!(dripped.is_some(), "slow headers were never cut off");
    let answered = read_to_end(open(&server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
}

#[test]
fn a_body_that_does_not_arrive_is_a_408() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "body_timeout = \"500ms\"");
    for (path, media) in
        [("/v1/events", "application/json"), ("/v1/import", "text/csv"), ("/v1/sql", "application/json")]
    {
        for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\n{length}\r\n\r\n");
            let answered = read_to_end(open(&server, format!("{head}1\r\n[").as_bytes()));
            assert!(answered.starts_with("HTTP/1.1 408") && answered.contains("body_timeout"), "{path}: {answered}");
        }
    }
    // Some bytes at a time are not enough.
    let head =
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n";
    let mut drip = open(&server, head.as_bytes());
    for _ in 0..1200 {
        std::thread::sleep(Duration::from_millis(50));
        if drip.write_all(b" ").is_err() {
            break;
        }
    }
    assert!(!read_to_end(drip).starts_with("HTTP/1.1 200"));
}

/// The timeouts concern what the client does, and not how long an answer takes.
#[test]
fn a_long_poll_outlives_the_timeouts() {
    let folder = tempdir().unwrap();
    let keys = "header_timeout = \"300ms\"\nidle_timeout = \"300ms\"\nbody_timeout = \"300ms\"";
    let server = start(folder.path(), keys);
    let wait = server.request("GET", "/v1/recommendations").header("if-none-match", "*").header("prefer", "wait=3");
    assert_eq!(server.send(wait).status, 304);
}

#[test]
fn connections_above_the_limit_replace_idle_ones() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "max_connections = 8");
    let idle: Vec<TcpStream> = (0..100)
        .map(|n| open(&server, if n % 2 == 0 { b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" } else { b"GET /" }))
        .collect();
    assert_eq!(server.get("/healthz").status, 200);
    // Eight may stay open: on a busy machine not those that were opened last.
    let is_closed = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        !matches!(ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let closed = idle.into_iter().filter_map(|mut stream| is_closed(&mut stream).then_some(())).count();
    assert!(closed >= 92, "{closed} of 100 connections are closed");
}

#[test]
fn hundreds_of_half_open_connections_delay_nobody() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let held: Vec<TcpStream> = (0..600).map(|_| open(&server, b"POST /v1/events HTTP/1.1\r\n")).collect();
    for _ in 0..20 {
        assert_eq!(server.get("/readyz").status, 200);
    }
    // A stop does not wait for them either.
    assert!(server.stop().success());
    drop(held);
}

#[test]
fn the_service_survives_a_lack_of_descriptors() {
    let folder = tempdir().unwrap();
    let mut command = almanac_after(folder.path(), "ulimit -n 100;");
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info"]);
    let server = Server::from_command(command);
    let held: Vec<TcpStream> = (0..300).map(|_| open(&server, b"GET /")).collect();
    super::eventually("a failed accept", || {
        server.log().iter().any(|line| line.contains("connections cannot be accepted")).then_some(())
    });
    super::eventually("an answer", || {
        server.request("GET", "/healthz").send().ok().filter(|reply| reply.status() == 200)
    });
    drop(held);
    assert_eq!(server.get("/readyz").status, 200);
    // One line in ten seconds, and not one for each attempt.
    let lines = server.log().iter().filter(|line| line.contains("connections cannot be accepted")).count();
    assert!(lines < 30, "{lines} lines");
    assert!(server.stop().success());
}
