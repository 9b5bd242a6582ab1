use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
};

use duckdb::Connection;
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;
use crate::store::rows::CacheOp;

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The error of reading `text`, its cause included, without the folder's name.
fn series_error(name: &str, text: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let error = read_labelled_series_file(&file(&folder, name, text)).unwrap_err();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}").replace(&format!("{}/", folder.path().display()), "")
}

fn parquet(folder: &TempDir, sql: &str) -> PathBuf {
    let path = folder.path().join("it's [a].parquet");
    let connection = Connection::open_in_memory().unwrap();
    let target = path.display().to_string().replace('\'', "''");
    connection.execute_batch(&format!("COPY ({sql}) TO '{target}' (FORMAT parquet)")).unwrap();
    path
}

fn series(path: &Path) -> Vec<FileSeries> {
    read_labelled_series_file(path).unwrap().series
}

#[test]
fn rows_in_any_order_are_sorted_and_repeats_keep_their_order() {
    let folder = TempDir::new().unwrap();
    let text = "\u{feff}value,timestamp,series,host,incident\n\
                3,3000,a,x,0\n1,1000,a,x,1\n,2026-01-01T00:00:00Z,b,x,0\n2,1000,a,x,0\nNaN,2000,a,x,1\n";
    let read = read_labelled_series_file(&file(&folder, "s.csv", text.as_bytes())).unwrap();
    assert!(read.named);
    assert_eq!(read.rows, 5);
    let names: Vec<&str> = read.series.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let a = &read.series[0];
    assert_eq!(a.timestamps, [1000, 1000, 2000, 3000]);
    assert_eq!(a.rows, [1, 3, 4, 0]);
    assert_eq!(a.incident.as_deref().unwrap(), [true, false, true, false]);
    assert_eq!(a.values[..2], [1.0, 2.0]);
    assert!(a.values[2].is_nan());
    assert!(read.series[1].values[0].is_nan());
    assert_eq!(read.series[1].timestamps, [1_767_225_600_000]);
}

#[test]
fn one_series_needs_no_name_and_gzip_is_read() {
    let folder = TempDir::new().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"timestamp,value\n1,2\n2,3").unwrap();
    let read = read_labelled_series_file(&file(&folder, "s.csv.gz", &gzip.finish().unwrap())).unwrap();
    assert!(!read.named);
    assert_eq!(read.series[0].name, UNNAMED_SERIES);
    assert_eq!(read.series[0].values, [2.0, 3.0]);
}

#[test]
fn parquet_of_every_timestamp_unit_reads_the_same() {
    let folder = TempDir::new().unwrap();
    for kind in ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "VARCHAR"] {
        let sql = format!(
            "SELECT 'a' AS series, (TIMESTAMP '2026-01-01 00:00:00' + to_seconds(i))::{kind} AS \"timestamp\",
             CASE WHEN i = 1 THEN NULL ELSE i::FLOAT END AS value, (i = 2) AS incident FROM range(3) t(i)"
        );
        let a = &series(&parquet(&folder, &sql))[0];
        assert_eq!(a.timestamps, [1_767_225_600_000, 1_767_225_601_000, 1_767_225_602_000], "{kind}");
        assert!(a.values[1].is_nan());
        assert_eq!(a.values[2].to_bits(), 2.0_f64.to_bits());
        assert_eq!(a.incident.as_deref().unwrap(), [false, false, true]);
    }
    let sql = "SELECT 1::BIGINT AS \"timestamp\", 2.5::DECIMAL(5, 2) AS value, 0 AS incident UNION ALL SELECT -5, 1, 1";
    let a = &series(&parquet(&folder, sql))[0];
    assert_eq!((a.timestamps.as_slice(), a.values.as_slice()), ([-5, 1].as_slice(), [1.0, 2.5].as_slice()));
}

#[test]
fn every_fault_of_a_series_file_names_its_place() {
    let check = |text: &str, expected: &str| assert_eq!(series_error("s.csv", text.as_bytes()), expected);
    check("", "s.csv: is empty");
    check("timestamp,value\n", "s.csv: has a header but no rows");
    check("time,value\n1,2\n", "s.csv: has no column \"timestamp\"; its columns are \"time\", \"value\"");
    check("timestamp,series\n1,a\n", "s.csv: has no column \"value\"; its columns are \"timestamp\", \"series\"");
    check(
        "timestamp,value\n1,2\nyesterday,3\n",
        "s.csv, line 3, column \"timestamp\": \"yesterday\" is not a timestamp: \
         RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds",
    );
    check(
        "timestamp,value\n1,abc\n",
        "s.csv, line 2, column \"value\": \"abc\" is not a number; leave it empty when the value is missing",
    );
    check(
        "timestamp,value\n1,inf\n",
        "s.csv, line 2, column \"value\": \"inf\" is not a finite number; leave it empty when the value is missing",
    );
    check("timestamp,value,incident\n1,2,maybe\n", "s.csv, line 2, column \"incident\": \"maybe\" is not 0 or 1");
    check("series,timestamp,value\n,1,2\n", "s.csv, line 2, column \"series\": \"\" is not a name");
    check("timestamp,value\n1,2\n3\n", "s.csv, line 3: has 1 fields, but the header has 2");
    check("timestamp,value,value\n1,2,3\n", "s.csv, line 1: column \"value\" stands twice in the header");
    let long = "x".repeat(100);
    let shown = format!("\"{}…\"", "x".repeat(60));
    assert!(series_error("s.csv", format!("timestamp,value\n{long},1").as_bytes()).contains(&shown));
    assert_eq!(series_error("s.csv", b"timestamp,value\n1,\xff\n"), "s.csv, line 2: field 2 is not UTF-8 text");
    assert_eq!(series_error("s.parquet", b"no"), "s.parquet: is not a Parquet file: it does not begin with PAR1");
    let damaged = series_error("s.parquet", b"PAR1 and then nothing of use PAR1");
    assert!(damaged.starts_with("s.parquet: not a readable Parquet file: "), "{damaged}");
    assert!(!damaged.contains('\n'));
    let missing = read_labelled_series_file(Path::new("/no/such/file.csv")).unwrap_err();
    assert_eq!(missing.to_string(), "/no/such/file.csv: cannot be read");
}

#[test]
fn parquet_faults_name_the_row() {
    let folder = TempDir::new().unwrap();
    let path = parquet(&folder, "SELECT 1::BIGINT AS \"timestamp\", 'x' AS value");
    let error = read_labelled_series_file(&path).unwrap_err().to_string();
    assert!(
        error.ends_with(", row 1, column \"value\": \"x\" is not a number; leave it empty when the value is missing")
    );
    let path = parquet(&folder, "SELECT 1.5::DOUBLE AS \"timestamp\", 1 AS value");
    assert!(
        read_labelled_series_file(&path)
            .unwrap_err()
            .to_string()
            .contains("row 1, column \"timestamp\": \"1.5\" is not a timestamp")
    );
}

#[test]
fn a_parquet_file_cut_short_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = parquet(&folder, "SELECT i::BIGINT AS \"timestamp\", random() AS value FROM range(50000) t(i)");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[1000..middle].fill(0xff);
    let damaged = file(&folder, "damaged.parquet", &bytes);
    assert!(matches!(read_labelled_series_file(&damaged), Err(FileError::Parquet { .. })));
}

#[test]
fn events_are_sorted_and_ties_keep_the_files_order() {
    let folder = TempDir::new().unwrap();
    let text =
        "timestamp,cache,key,op,bytes,miss_cost_ms\n2000,c,k1,get,10,1.5\n1000,c,k2,write,,\n2000,c,k3,delete,0,\n";
    let events = read_event_file(&file(&folder, "e.csv", text.as_bytes())).unwrap();
    let seen: Vec<_> =
        events.iter().map(|e| (e.timestamp.millis(), e.key.as_str(), e.op, e.bytes, e.miss_cost_ms)).collect();
    let expected = [
        (1000, "k2", CacheOp::Write, None, None),
        (2000, "k1", CacheOp::Get, Some(10), Some(1.5)),
        (2000, "k3", CacheOp::Delete, Some(0), None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn parquet_events_may_have_numbers_for_keys() {
    let folder = TempDir::new().unwrap();
    let sql = "SELECT 5::BIGINT AS \"timestamp\", 'c' AS cache, 42 AS key, 'get' AS op, 7::UINTEGER AS bytes";
    let events = read_event_file(&parquet(&folder, sql)).unwrap();
    assert_eq!((events[0].key.as_str(), events[0].bytes), ("42", Some(7)));
}

#[test]
fn every_fault_of_an_event_file_names_its_place() {
    let check = |row: &str, expected: &str| {
        let folder = TempDir::new().unwrap();
        let text = format!("timestamp,cache,key,op,bytes,miss_cost_ms\n{row}\n");
        let error = read_event_file(&file(&folder, "e.csv", text.as_bytes())).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    check("1,c,k,read,,", "e.csv, line 2, column \"op\": \"read\" is not one of get, write, delete");
    check("1,,k,get,,", "line 2, column \"cache\": \"\" is not a name");
    check("1,c,,get,,", "line 2, column \"key\": \"\" is not a name");
    check("1,c,k,get,-1,", "line 2, column \"bytes\": \"-1\" is not a whole number of at least 0");
    check("1,c,k,get,,-0.5", "line 2, column \"miss_cost_ms\": \"-0.5\" is not a number of at least 0");
    check(
        "1.5,c,k,get,,",
        "\"1.5\" is not a timestamp: RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds",
    );
}
