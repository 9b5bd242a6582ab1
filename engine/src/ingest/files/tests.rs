//! Tests of files of series and of events.

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
    check("moment,value\n1,2\n", "s.csv: has no column \"timestamp\"; its columns are \"moment\", \"value\"");
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
    check("timestamp,value,value\n1,2,3\n", "s.csv, line 1: duplicate column \"value\" in the header");
    let long = "x".repeat(100);
    let shown = format!("\"{}…\"", "x".repeat(60));
    assert!(series_error("s.csv", format!("timestamp,value\n{long},1").as_bytes()).contains(&shown));
    assert_eq!(
        series_error("s.csv", b"timestamp,value\n1,\xff\n"),
        "s.csv, line 2: field 2 is not UTF-8 text; save the file as UTF-8"
    );
    assert_eq!(series_error("s.parquet", b"no"), "s.parquet: is not a Parquet file: it does not start with PAR1");
    let damaged = series_error("s.parquet", b"PAR1 and then nothing of use PAR1");
    assert!(damaged.starts_with("s.parquet: not a readable Parquet file: "), "{damaged}");
    assert!(!damaged.contains('\n'));
    let missing = read_labelled_series_file(Path::new("/no/such/file.csv")).unwrap_err();
    assert_eq!(missing.to_string(), "/no/such/file.csv: cannot be read");
}

/// Each file contains the same two series in the format of another program.
#[test]
fn wide_and_long_files_of_other_programs_read_the_same() {
    let folder = TempDir::new().unwrap();
    let files: [(&str, &str); 12] = [
        ("wide.csv", "timestamp,a,b\n1000,1,3\n2000,2,4\n"),
        ("grafana.csv", "\"Time\",\"a\",\"b\"\n1970-01-01 00:00:01,1,3\n1970-01-01 00:00:02,2,4\n"),
        (
            "grafana_units.csv",
            "sep=,\r\n\"Time\",\"a\",\"b\"\r\n1970-01-01 00:00:01,1 s,3%\r\n1970-01-01 00:00:02,2000 ms,4%\r\n",
        ),
        (
            "grafana_long.csv",
            "\"Series\";\"Time\";\"Value\"\n\"a\";1970-01-01T00:00:01+00:00;1\n\"a\";1970-01-01T00:00:02Z;2\n\"b\";1000;3\n\"b\";2000;4\n",
        ),
        (
            "prophet.csv",
            "unique_id,ds,y\na,1970-01-01 00:00:01,1\na,1970-01-01 00:00:02,2\nb,1970-01-01 00:00:01,3\nb,1970-01-01 00:00:02,4\n",
        ),
        (
            "influx.csv",
            "#datatype,string,long,dateTime:RFC3339,double,string\n#default,_result,,,,\n,result,table,_time,_value,_field\n,,0,1970-01-01T00:00:01Z,1,a\n,,0,1970-01-01T00:00:02Z,2,a\n,,1,1970-01-01T00:00:01Z,3,b\n,,1,1970-01-01T00:00:02Z,4,b\n",
        ),
        ("tabs.csv", "time\ta\tb\n1000\t1\t3\n2000\t2\t4\n"),
        ("pandas.csv", ",timestamp,a,b\n0,1000,1,3\n1,2000,2,4\n"),
        ("pandas2.csv", "Unnamed: 0,index,timestamp,a,b\n5,0,1000,1,3\n9,1,2000,2,4\n"),
        ("rows.ndjson", "\u{feff}{\"time\":1000,\"a\":1,\"b\":3}\n{\"time\":2000,\"a\":2,\"b\":4}\n"),
        (
            "array.json",
            "[{\"series\":\"a\",\"timestamp\":1000,\"value\":1},{\"series\":\"a\",\"timestamp\":2000,\"value\":2},\n{\"series\":\"b\",\"timestamp\":1000,\"value\":3},{\"series\":\"b\",\"timestamp\":2000,\"value\":4}]",
        ),
        ("mixed.csv", "series,timestamp,value\na,2000,2\nb,2000,4\na,1000,1\nb,1000,3\nseries,timestamp,value\n"),
    ];
    for (name, text) in files {
        let path = file(&folder, name, text.as_bytes());
        let read = read_series_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let seen: Vec<_> =
            read.series.iter().map(|s| (s.name.as_str(), s.timestamps.as_slice(), s.values.as_slice())).collect();
        let expected = [("a", [1000, 2000].as_slice(), [1.0, 2.0].as_slice()), ("b", &[1000, 2000], &[3.0, 4.0])];
        assert_eq!(seen, expected, "{name}");
        assert!(read.named && read.notes.is_empty(), "{name}");
        let mut rows: Vec<usize> = read.series.iter().flat_map(|s| s.rows.iter().copied()).collect();
        rows.sort_unstable();
        assert_eq!(rows, [0, 1, 2, 3], "{name}");
    }
}

#[test]
fn an_index_of_times_is_the_time() {
    let folder = TempDir::new().unwrap();
    let read = read_series_file(&file(&folder, "s.csv", b",cpu\n2026-01-01,1\n2026-01-02,2\n")).unwrap();
    assert_eq!(read.series[0].timestamps, [1_767_225_600_000, 1_767_312_000_000]);
    assert_eq!(read.series[0].name, "cpu");
    let sql = "SELECT TIMESTAMP '2026-01-01' AS __index_level_0__, 1 AS value";
    assert_eq!(series(&parquet(&folder, sql))[0].timestamps, [1_767_225_600_000]);
    let sql = "SELECT TIMESTAMP '2026-01-01' AS observed, 1 AS value";
    assert_eq!(series(&parquet(&folder, sql))[0].timestamps, [1_767_225_600_000]);
}

#[test]
fn seconds_are_converted_with_a_note_and_a_mixture_is_rejected() {
    let folder = TempDir::new().unwrap();
    let read = |text: &str| read_series_file(&file(&folder, "s.csv", text.as_bytes()));
    for text in [
        "timestamp,value\n1767225600,1\n1767312000,2\n",
        "timestamp,value\n1767225600.0,1\n1767312000.0,2\n",
        "timestamp,value\n1767225600,1\n1767311999.5,3\n1767312000.0,2\n",
    ] {
        let file = read(text).unwrap();
        let stamps = &file.series[0].timestamps;
        assert_eq!((stamps[0], stamps[stamps.len() - 1]), (1_767_225_600_000, 1_767_312_000_000), "{text}");
        assert_eq!(
            file.notes,
            [
                "integer timestamps are read as epoch seconds, from 2026-01-01 to 2026-01-02; as milliseconds they would be in 1970"
            ]
        );
    }
    for text in [
        "timestamp,value\n1767225600.5,1\n",
        "timestamp,value\n1767225600500000,1\n",
        "timestamp,value\n1767225600500000000,1\n",
        "timestamp,value\n1767225600500.0,1\n",
        "timestamp,value\n2026-01-01T01:00:00.5+01,1\n",
    ] {
        let file = read(text).unwrap();
        assert_eq!((file.series[0].timestamps[0], file.notes.len()), (1_767_225_600_500, 0), "{text}");
    }
    let error = read("timestamp,value\n1767225600000,1\n1767225600,2\n").unwrap_err().to_string();
    let expected =
        "line 3: the timestamp looks like epoch seconds, but that of line 2 does not; use epoch milliseconds for all";
    assert!(error.ends_with(expected), "{error}");
}

/// Unsupported files give one readable line each.
#[test]
fn files_that_cannot_be_read_are_named() {
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let error = series_error(name, bytes);
        assert!(error.starts_with(&format!("{name}{expected}")) && !error.contains('\n'), "{error}");
    };
    let gzip = |bytes: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    check("a.xlsx", b"PK\x03\x04....", ": is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV");
    check("a.csv.zst", b"\x28\xb5\x2f\xfd..", ": is compressed by zstd; unpack it with `zstd -d`");
    check("a.csv.xz", b"\xfd7zXZ\0..", ": is compressed by xz");
    check("a.csv.bz2", b"BZh91AY", ": is compressed by bzip2");
    check("a.csv", b"\xff\xfet\0i\0", ": is text in UTF-16; save it as UTF-8");
    check("a.csv", b"t\0i\0m\0e\0", ": is not text (it has zero bytes)");
    check("a.csv", b"<!DOCTYPE html><html>", ": is an HTML page");
    check("a.csv.gz", &gzip(b"PK\x03\x04...."), ": is compressed by gzip and contains a zip archive");
    let whole = gzip("timestamp,value\n1,2\n".repeat(500).as_bytes());
    check("cut.csv.gz", &whole[..whole.len() / 2], ": cannot be read: ");
    check("a.csv", b"timestamp\n1\n", ": has no column \"value\"; its columns are \"timestamp\"");
    check("a.csv", b"\n\n", ": has no header");
    check("a.csv", b"timestamp,value\n1,\"2\n3,4\n", ", line 2, column \"value\": ");
    check("a.csv", b"timestamp,value\n1,1,5\n", ", line 2: has 3 fields, but the header has 2");
    check(
        "a.csv",
        b"timestamp;value\n1;1,5\n",
        ", line 2, column \"value\": \"1,5\" is not a number with a decimal point",
    );
    check(
        "a.csv",
        b"timestamp,value\n01/02/2026,1\n",
        ", line 2, column \"timestamp\": \"01/02/2026\" is not a timestamp",
    );
    check("a.csv", b"timestamp,a,b\n1,x,y\n", ": has no column \"value\"; its columns are \"timestamp\", \"a\", \"b\"");
    check("a.json", b"[{\"timestamp\":1,\"value\":2},", ", line 1: column ");
    check("a.json", b"[]", ": contains no JSON objects");
    check(
        "a.json",
        b"{\"status\":\"error\",\"error\":\"bad\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
        ": is a Prometheus response without data: bad",
    );
}

/// Text in a column of numbers is an error with its position, not a label.
#[test]
fn a_typing_error_in_a_wide_file_is_an_error() {
    let error = series_error("s.csv", b"time,a,b\n1,1,2\n2,1,oops\n3,1,2\n");
    assert_eq!(
        error,
        "s.csv, line 3, column \"b\": \"oops\" is not a number; leave it empty when the value is missing"
    );
}

#[test]
fn an_endless_record_is_rejected_before_it_fills_memory() {
    let huge = |start: &str, filler: &str, bytes: usize| {
        format!("{start}{}", filler.repeat(bytes / filler.len())).into_bytes()
    };
    let bytes = 40 << 20;
    for (name, text) in [
        ("a.csv", huge("timestamp,value\n1,\"", "x", bytes)),
        ("b.csv", huge("timestamp,value\n1,\"", "2,3\n", bytes)),
        ("c.ndjson", huge("{\"timestamp\":1,\"value\":\"", "x", bytes)),
        ("d.json", huge("[{\"timestamp\":1,\"value\":\"", "x", bytes)),
    ] {
        let error = series_error(name, &text);
        assert!(error.contains("longer than 4 MiB") || error.contains("more than 4194304 bytes"), "{error}");
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn ten_thousand_columns_are_ten_thousand_series() {
    let folder = TempDir::new().unwrap();
    let header: Vec<String> = (0..10_000).map(|column| format!("c{column}")).collect();
    let row = |at: usize| (0..10_000).map(|column| (column + at).to_string()).collect::<Vec<_>>().join(",");
    let text: String = (0..40).map(|at| format!("{at},{}\n", row(at))).collect();
    let read =
        read_series_file(&file(&folder, "w.csv", format!("time,{}\n{text}", header.join(",")).as_bytes())).unwrap();
    assert_eq!((read.series.len(), read.rows), (10_000, 400_000));
    assert_eq!(read.series[9_999].values[39].to_bits(), 10_038.0_f64.to_bits());
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
