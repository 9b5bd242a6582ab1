//! The service: tokens, locking of the store, stop and restart, SQL answers, and waiting requests.

use std::fs;

use serde_json::json;
use tempfile::tempdir;

use crate::harness::{Server, run};

/// Prometheus text of two series at three timestamps, the last one at 2026-11-23T08:00:00Z.
const TEXT: &str = "# TYPE up gauge\nup{job=\"api\"} 1 1795420680000\nup{job=\"api\"} 1 1795420740000\n\
    up{job=\"api\"} 0 1795420800000\nup{job=\"db\"} 1 1795420800000\n";

fn import(server: &Server) {
    let reply = server.post("/v1/import", "text/plain; version=0.0.4", TEXT);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn an_address_other_than_loopback_needs_a_token_and_tls() {
    let folder = tempdir().unwrap();
    let ended = run(folder.path(), ["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "almanac: 0.0.0.0:0 can be reached from other machines, so it needs a token and TLS: run almanac token new, or set \
         ALMANAC_TOKEN or server.token, and set server.tls_cert and server.tls_key; or listen on 127.0.0.1, or set \
         server.insecure = true where something else protects it\n"
    );
    assert!(!folder.path().join("almanac.duckdb").exists());
}

#[test]
fn with_a_token_any_address_is_allowed_and_requests_without_it_are_rejected() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[server]\ninsecure = true\n").unwrap();
    let mut command = crate::harness::almanac(folder.path());
    command.args(["serve", "--listen", "0.0.0.0:0"]).env("ALMANAC_TOKEN", "secret");
    let mut server = Server::from_command(command);
    server.url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.get("/v1/signals").status, 401);
    assert_eq!(server.get("/healthz").status, 200);
    let server = server.with_token("secret");
    assert_eq!(server.get("/v1/signals").status, 200);
    let asked = run(folder.path(), ["sql", "--url", &server.url, "--token", "wrong", "SELECT 1"]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("401"), "{}", asked.stderr);
    let asked =
        run(folder.path(), ["sql", "--url", &server.url, "--token", "secret", "--format", "csv", "SELECT 1 AS one"]);
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(0), "one\n1\n"), "{}", asked.stderr);
}

#[test]
fn a_second_process_on_the_same_store_is_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["sql", "SELECT 1"], &["compact"]] {
        let ended = run(folder.path(), args);
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert!(ended.stderr.starts_with("almanac: store "), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("almanac.duckdb") && ended.stderr.contains("another process"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.stop().success());
}

#[test]
fn an_address_in_use_is_named_and_no_store_is_made() {
    let folder = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(folder.path(), ["serve", "--listen", &address]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with(&format!("almanac: cannot bind to {address}: ")), "{}", ended.stderr);
    assert!(!folder.path().join("almanac.duckdb").exists());
}

#[test]
fn acknowledged_samples_survive_a_stop_and_the_stopped_store_can_be_queried() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    import(&server);
    assert!(server.stop().success());
    let count = "SELECT count(*) AS n, max(timestamp) AS last FROM samples";
    let asked = run(folder.path(), ["sql", count, "--format", "json"]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    assert_eq!(
        asked.stdout,
        "{\"columns\":[\"n\",\"last\"],\"types\":[\"BIGINT\",\"TIMESTAMP_MS\"],\"rows\":[[4,\"2026-11-23T08:00:00.000Z\"]],\"truncated\":false}\n"
    );
    let table = run(folder.path(), ["sql", "SELECT name, count(*) AS n FROM series GROUP BY name"]);
    assert_eq!(table.stdout, "┌──────┬───┐\n│ name ┆ n │\n╞══════╪═══╡\n│ up   ┆ 2 │\n└──────┴───┘\n1 row\n");
    let written = run(folder.path(), ["sql", "DELETE FROM samples"]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(1), ""));
    let compacted = run(folder.path(), ["compact"]);
    assert_eq!(compacted.code, Some(0), "{}", compacted.stderr);
    assert!(compacted.stdout.starts_with("compacted: 4 samples moved"), "{}", compacted.stdout);
    let server = Server::start(folder.path());
    assert_eq!(server.sql("SELECT count(*) FROM samples"), json!([[4]]));
}

#[test]
fn answers_of_sql_are_files_that_other_programs_read() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    import(&server);
    let sql = "SELECT s.name, x.timestamp, x.value FROM samples x JOIN series s USING (series_id) ORDER BY ALL";
    for format in ["parquet", "arrow"] {
        let output = crate::harness::almanac(folder.path())
            .args(["sql", sql, "--url", &server.url, "--format", format])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = folder.path().join(format!("answer.{format}"));
        fs::write(&path, &output.stdout).unwrap();
        let rows: i64 = if format == "parquet" {
            let db = duckdb::Connection::open_in_memory().unwrap();
            db.query_row(&format!("SELECT sum(value)::BIGINT FROM '{}'", path.display()), [], |row| row.get(0)).unwrap()
        } else {
            let reader = arrow::ipc::reader::StreamReader::try_new(output.stdout.as_slice(), None).unwrap();
            reader.map(|batch| i64::try_from(batch.unwrap().num_rows()).unwrap()).sum::<i64>() - 1
        };
        assert_eq!(rows, 3, "{format}");
    }
}

#[test]
fn a_missing_store_is_named_and_not_made() {
    let folder = tempdir().unwrap();
    for args in [&["sql", "SELECT 1"][..], &["compact"]] {
        let ended = run(folder.path(), args);
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert_eq!(
            ended.stderr,
            "almanac: the store almanac.duckdb does not exist; set its path with --db, or create it with almanac serve\n"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_waiting_request_does_not_delay_the_stop() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let url = server.url.clone();
    let waiting = std::thread::spawn(move || {
        reqwest::blocking::Client::new()
            .get(format!("{url}/v1/recommendations"))
            .header("prefer", "wait=50")
            .header("if-none-match", "*")
            .send()
            .map(|reply| reply.status().as_u16())
    });
    // Waits until the request is in flight.
    while !server.get("/metrics").text().lines().any(|line| line == "almanac_http_requests_in_flight 2") {
        if waiting.is_finished() {
            break;
        }
        std::thread::yield_now();
    }
    assert!(server.stop().success());
    assert!(waiting.join().is_ok());
}
