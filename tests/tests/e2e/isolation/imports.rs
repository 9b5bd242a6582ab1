//! Imported files are decoded by a process of their own, which a hostile file ends at worst.

use std::{fmt::Write as _, fs, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::status;
use crate::harness::{Server, almanac};

fn parquet(folder: &std::path::Path, select: &str) -> Vec<u8> {
    let path = folder.join("hostile.parquet");
    let connection = duckdb::Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("COPY ({select}) TO '{}' (COMPRESSION zstd)", path.display())).unwrap();
    fs::read(path).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_small_file_that_decodes_to_much_ends_at_worst_its_decoder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[ingest]\ndecode_memory = \"256MiB\"\n").unwrap();
    let server = Server::start(folder.path());
    server.sql("SELECT 42");
    let before = status(server.id(), "VmHWM");
    // A few kilobytes whose values are a gigabyte of text.
    let wide = parquet(
        folder.path(),
        "SELECT 'm' AS series, range AS timestamp, 1.0 AS value, repeat('x', 4000000) AS label FROM range(300)",
    );
    assert!(wide.len() < 1 << 20, "{}", wide.len());
    let reply = server.post("/v1/import?file=a.parquet", "application/octet-stream", wide);
    assert!(reply.status == 422 || reply.status == 400, "{} {}", reply.status, reply.text());
    // One line of many megabytes, and a series for each of many rows, both compressed.
    let mut rows = "series,timestamp,value\n".to_owned();
    for n in 0..200_000 {
        let _ = writeln!(rows, "\"m{{n=\"\"{n}{}\"\"}}\",1795000000000,1", "y".repeat(1_000));
    }
    let reply = server.post("/v1/import?file=b.csv.gz", "application/gzip", gzip(rows.as_bytes()));
    assert!([400, 413, 422].contains(&reply.status), "{} {}", reply.status, reply.text());
    // Nothing was stored, no file is left, and an honest import still works.
    assert_eq!(server.sql("SELECT count(*) FROM series"), json!([[0]]));
    let reply = server.post("/v1/import?file=c.csv", "text/csv", "series,timestamp,value\nup,1795000000000,1\n");
    assert_eq!((reply.status, reply.json()["samples"].clone()), (200, json!(1)), "{}", reply.text());
    let peak = status(server.id(), "VmHWM");
    assert!(peak < before + 200, "{before} MiB became {peak}");
    let left =
        fs::read_dir(folder.path()).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left, 0);
}

/// The decoding process gives what the command line's own reading gives, in every format.
#[test]
fn a_decoded_import_stores_what_a_local_import_stores() {
    let folder = tempfile::tempdir().unwrap();
    let served = tempfile::tempdir().unwrap();
    let server = Server::start(served.path());
    let files: [(&str, Vec<u8>); 5] = [
        ("a.csv", b"series,timestamp,value,job\nup,1795000000000,1,api\nup,1795000060000,,api\ndown,1795000000,2,web\n".to_vec()),
        ("b.csv", b"series,timestamp,value\nseconds,1795000000,1\nseconds,1795000060,2.5\n".to_vec()),
        ("c.ndjson", b"{\"metric\":{\"__name__\":\"n\",\"a\":\"b\"},\"values\":[1,2.5],\"timestamps\":[1795000000000,1795000001000]}\n".to_vec()),
        ("d.prom", b"# TYPE t counter\n# HELP t help of t\nt{a=\"b\"} 3 1795000000000\n".to_vec()),
        (
            "e.parquet",
            parquet(
                folder.path(),
                "SELECT 'p' AS series, make_timestamp_ms(1795000000000 + range * 1000) AS timestamp, range / 7 AS value FROM range(100000)",
            ),
        ),
    ];
    for (name, bytes) in &files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let output = almanac(folder.path()).args(["import", "--db", "local.duckdb"]).arg(&path).output().unwrap();
        let reply = server.post(&format!("/v1/import?file={name}"), "application/octet-stream", bytes.clone());
        // The first file mixes units, which both refuse with the same line.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), reply.status == 200, "{name}: {said} {}", reply.text());
        if reply.status != 200 {
            let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(said.contains(message.trim_start_matches(name)), "{said} {message}");
        }
    }
    let select = "SELECT series, count(*), min(timestamp), max(timestamp), sum(value), any_value(help) FROM samples JOIN series USING (series_id) \
                  GROUP BY series ORDER BY series";
    let local =
        almanac(folder.path()).args(["sql", "--db", "local.duckdb", "--format", "json", select]).output().unwrap();
    let local: serde_json::Value = serde_json::from_slice(&local.stdout).unwrap();
    assert_eq!(server.sql(select), local["rows"]);
    assert!(local["rows"].as_array().unwrap().len() >= 4, "{local}");
}
