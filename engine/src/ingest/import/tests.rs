//! Tests of importing files.

use std::{error::Error, io::Write, path::Path};

use almanac_models::Timestamp;
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;
use crate::{
    ingest::{Ingest, IngestLimits},
    series::SampleSource,
    store::{
        Store, StoreOptions,
        rows::{MetadataFilter, MetricType},
    },
};

/// 2026-06-01, later than every timestamp of these tests.
const NOW: i64 = 1_780_272_000_000;

struct Scene {
    folder: TempDir,
    ingest: Ingest,
}

impl Scene {
    fn new(max_series: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let store =
            Store::open(&folder.path().join("s.duckdb"), StoreOptions { max_series, ..StoreOptions::default() })
                .unwrap();
        Self { ingest: Ingest::new(store, IngestLimits::default()), folder }
    }

    fn import(&self, name: &str, bytes: &[u8]) -> Result<ImportReport, String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.import_path(&path)
    }

    fn import_path(&self, path: &Path) -> Result<ImportReport, String> {
        let options = ImportOptions { format: None, name: None, now: Timestamp::from_millis(NOW) };
        import_file(&self.ingest, path, &options, &mut |_, _| {}).map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}").replace(&format!("{}/", self.folder.path().display()), "")
        })
    }

    /// All samples of the store as text, by series.
    fn samples(&self) -> Vec<String> {
        let all = self.ingest.store().select(&[], i64::MIN, i64::MAX, 1_000_000).unwrap();
        let line = |labels: &crate::series::Labels, t: &i64, v: &f64| format!("{labels} {v} {t}");
        all.iter().flat_map(|s| s.timestamps.iter().zip(&s.values).map(|(t, v)| line(&s.labels, t, v))).collect()
    }
}

#[test]
fn every_format_brings_the_same_samples() {
    let expected = ["cpu{host=\"a\"} 1.5 1000", "cpu{host=\"a\"} 2 2000", "cpu{host=\"b\"} 3 1000"];
    let csv = "series,timestamp,value,host,incident\ncpu,1000,1.5,a,0\ncpu,1970-01-01T00:00:02Z,2,a,1\ncpu,1000,3,b,0\ncpu,5000,,b,0\n";
    let ndjson = "{\"series\":\"cpu\",\"timestamp\":1000,\"value\":1.5,\"host\":\"a\"}\n\n\
                  {\"host\":\"a\",\"series\":\"cpu\",\"timestamp\":\"1970-01-01T00:00:02Z\",\"value\":2}\n\
                  {\"series\":\"cpu\",\"timestamp\":1000,\"value\":\"3\",\"host\":\"b\",\"zone\":null}\n";
    let export = "{\"metric\":{\"__name__\":\"cpu\",\"host\":\"a\"},\"values\":[1.5,2,null],\"timestamps\":[1000,2000,3000]}\n\
                  {\"metric\":{\"__name__\":\"cpu\",\"host\":\"b\"},\"values\":[3],\"timestamps\":[1000]}";
    let text = "# TYPE cpu gauge\ncpu{host=\"a\"} 1.5 1000\ncpu{host=\"a\"} 2 2000\ncpu{host=\"b\"} 3 1000\n";
    let open = "cpu{host=\"a\"} 1.5 1\ncpu{host=\"a\"} 2 2.0\ncpu{host=\"b\"} 3 1.000\n# EOF\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(csv.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let files: [(&str, &[u8]); 8] = [
        ("a.csv", csv.as_bytes()),
        ("a.csv.gz", &gzip),
        ("a.ndjson", ndjson.as_bytes()),
        ("b.jsonl", export.as_bytes()),
        ("a.prom", text.as_bytes()),
        ("b.prom", open.as_bytes()),
        ("no_extension_csv", csv.as_bytes()),
        ("no_extension_text", open.as_bytes()),
    ];
    for (name, bytes) in files {
        let scene = Scene::new(1000);
        let report = scene.import(name, bytes).unwrap();
        assert_eq!((report.samples, report.series), (3, 2), "{name}");
        assert_eq!(scene.samples(), expected, "{name}");
        // Repeating the import changes nothing.
        assert_eq!(scene.import(name, bytes).unwrap().samples, 3);
        assert_eq!(scene.samples(), expected, "{name}");
    }
}

#[test]
fn parquet_is_imported_with_its_labels() {
    let scene = Scene::new(1000);
    let path = scene.folder.path().join("p.parquet");
    let sql = "SELECT 'cpu' AS series, make_timestamp_ms(i * 1000) AS \"timestamp\", i::DOUBLE AS value,
               'h' || (i % 2) AS host, 7 AS rack FROM range(70000) t(i)";
    let connection = duckdb::Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("COPY ({sql}) TO '{}' (FORMAT parquet)", path.display())).unwrap();
    let report = scene.import_path(&path).unwrap();
    assert_eq!((report.samples, report.series), (70_000, 2));
    assert_eq!(scene.samples()[1], "cpu{host=\"h0\",rack=\"7\"} 2 2000");
}

#[test]
fn text_without_a_timestamp_is_of_now() {
    let scene = Scene::new(1000);
    scene.import("a.prom", b"up 1\n").unwrap();
    assert_eq!(scene.samples(), ["up 1 1780272000000"]);
}

/// An error in the last line stores nothing of the lines before it.
#[test]
fn every_error_names_its_position_and_stores_nothing() {
    let scene = Scene::new(3);
    let check = |name: &str, text: &str, expected: &str| {
        assert_eq!(scene.import(name, text.as_bytes()).unwrap_err(), expected);
        assert!(scene.samples().is_empty(), "{name}: {text}");
    };
    check(
        "a.csv",
        "series,timestamp,value\ncpu,1000,1\ncpu,soon,2\n",
        "a.csv, line 3, column \"timestamp\": \"soon\" is not a timestamp: \
         RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds",
    );
    check(
        "a.csv",
        "series,timestamp,value\ncpu,1000,1\ncpu,2000,many\n",
        "a.csv, line 3, column \"value\": \"many\" is not a number; leave it empty when the value is missing",
    );
    check("a.csv", "timestamp,value\n1000,1\n", "a.csv: has no column \"series\"; give a series name");
    check("a.csv", "series,timestamp,value\ncpu,1,\n", "a.csv: contains no samples");
    check("empty", "", "empty: is empty");
    check(
        "a.json",
        "{\"series\":\"a\",\"timestamp\":1,\"value\":1}\n{\"series\":",
        "a.json, line 2: is not a JSON object: EOF while parsing a value at column 10",
    );
    check("a.json", "[1]", "a.json, row 1: 1 is not a JSON object; write one object per sample");
    check("a.json", "{\"timestamp\":1,\"value\":1}", "a.json: has no column \"series\"; give a series name");
    check(
        "a.json",
        "{\"series\":\"a\",\"timestamp\":1}",
        "a.json: has no column \"value\"; its columns are \"series\", \"timestamp\"",
    );
    check(
        "a.json",
        "{\"series\":\"a\",\"timestamp\":1,\"value\":{}}",
        "a.json, line 1, column \"value\": \"{}\" is not a number; leave it empty when the value is missing",
    );
    check(
        "a.json",
        "{\"series\":\"a\",\"timestamp\":1,\"value\":1,\"l\":[]}",
        "a.json, line 1, column \"l\": \"[]\" is not text, the value of a label; join the list into one text, or remove it",
    );
    check(
        "a.json",
        "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2],\"timestamps\":[1]}",
        "a.json, line 1: has 2 values but 1 timestamps",
    );
    check(
        "a.json",
        "{\"metric\":{\"a\":\"b\"},\"values\":[1],\"timestamps\":[1]}",
        "a.json, line 1: series {a=\"b\"} has no metric name (label __name__)",
    );
    check("a.prom", "up 1 1000\nup{a=\"b} 2\n", "a.prom, line 2: the line ends before the closing quote");
    check("a.prom", "up 1 x\n", "a.prom, line 1: timestamp \"x\" is not integer epoch milliseconds");
    let many: String = (0..4).map(|i| format!("m{i} 1 1000\n")).collect();
    check("a.prom", &many, "a.prom, line 4: series m3 is new and the store has reached its limit of 3 series");
    let long = format!("up{{a=\"{}\"}} 1\n", "x".repeat(17_000));
    check("a.prom", &long, "a.prom, line 1: the value of label \"a\" has 17000 bytes; the limit is 16384");
}

#[test]
fn new_series_past_the_limit_store_nothing_of_the_file() {
    let scene = Scene::new(3);
    scene.import("a.prom", b"m0 1 1000\nm1 1 1000\n").unwrap();
    let error = scene.import("b.prom", b"m1 1 2000\nm2 1 2000\nm3 1 2000\n").unwrap_err();
    assert_eq!(error, "b.prom: its 3 series and those in the store exceed the limit of 3");
    assert_eq!(scene.samples(), ["m0 1 1000", "m1 1 1000"]);
}

/// Exports from Prometheus contain whole series in the series column.
#[test]
fn a_series_name_with_labels_is_parsed() {
    let scene = Scene::new(100);
    let csv = "series,timestamp,value,zone\n\"cpu{host=\"\"a\"\",mode=\"\"idle\"\"}\",1000,1.5,x\n\"odd{name\",1000,2,x\n\"half{a=\"\"b\"\"\",1000,3,x\n";
    scene.import("a.csv", csv.as_bytes()).unwrap();
    scene.import("b.ndjson", b"{\"series\":\"cpu{host=\\\"b\\\"}\",\"timestamp\":1000,\"value\":4}").unwrap();
    let mut samples = scene.samples();
    samples.sort();
    let expected = [
        "cpu{host=\"a\",mode=\"idle\",zone=\"x\"} 1.5 1000",
        "cpu{host=\"b\"} 4 1000",
        "half{a=\"b\"{zone=\"x\"} 3 1000",
        "odd{name{zone=\"x\"} 2 1000",
    ];
    assert_eq!(samples, expected);
}

/// Structs, maps, JSON objects and Prometheus text are labels; a list is rejected with a hint.
#[test]
fn nested_columns_are_labels() {
    let expected = ["cpu{host=\"a\",zone=\"x\"} 1 1000"];
    let files = [
        ("a.ndjson", r#"{"series":"cpu","timestamp":1000,"value":1,"labels":{"host":"a","zone":"x"}}"#),
        ("a.csv", "series,timestamp,value,labels\ncpu,1000,1,\"{host=\"\"a\"\",zone=\"\"x\"\"}\"\n"),
        ("b.csv", "series,timestamp,value,labels,zone\ncpu,1000,1,\"{\"\"host\"\":\"\"a\"\"}\",x\n"),
        ("c.csv", "Time,\"cpu{host=\"\"a\"\", zone=\"\"x\"\"}\"\n1000,1\n"),
        ("cpu.csv", "time,\"{host=\"\"a\"\", zone=\"\"x\"\"}\"\n1000,1\n"),
        (
            "d.json",
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"cpu","host":"a","zone":"x"},"values":[[1,"1"]]}]}}"#,
        ),
    ];
    for (name, text) in files {
        let scene = Scene::new(100);
        let path = scene.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let options = ImportOptions { format: None, name: Some("cpu".to_owned()), now: Timestamp::from_millis(NOW) };
        import_file(&scene.ingest, &path, &options, &mut |_, _| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scene.samples(), expected, "{name}");
    }
    let connection = duckdb::Connection::open_in_memory().unwrap();
    for column in ["MAP {'host': 'a', 'zone': 'x'} AS labels", "{'host': 'a', 'zone': 'x'} AS anything"] {
        let scene = Scene::new(100);
        let path = scene.folder.path().join("p.parquet");
        let sql =
            format!("SELECT 'cpu' AS series, 1000 AS \"timestamp\", 1 AS value, 7 AS __index_level_0__, {column}");
        connection.execute_batch(&format!("COPY ({sql}) TO '{}' (FORMAT parquet)", path.display())).unwrap();
        scene.import_path(&path).unwrap();
        assert_eq!(scene.samples(), expected, "{column}");
    }
    let scene = Scene::new(100);
    let path = scene.folder.path().join("l.parquet");
    let sql = "SELECT 'cpu' AS series, 1000 AS \"timestamp\", 1 AS value, ['a', 'b'] AS tags";
    connection.execute_batch(&format!("COPY ({sql}) TO '{}' (FORMAT parquet)", path.display())).unwrap();
    let expected = "l.parquet, row 1, column \"tags\": \"[\\\"a\\\",\\\"b\\\"]\" is not text, the value of a label; \
                    join the list into one text, or remove it";
    assert_eq!(scene.import_path(&path).unwrap_err(), expected);
}

#[test]
fn infinities_and_nan_are_kept_and_null_is_missing() {
    let files = [
        ("a.csv", "series,timestamp,value\nx,1,NaN\nx,2,+Inf\nx,3,-Inf\nx,4,\nx,5,Infinity\n"),
        (
            "a.ndjson",
            "{\"series\":\"x\",\"timestamp\":1,\"value\":\"NaN\"}\n{\"series\":\"x\",\"timestamp\":2,\"value\":Infinity}\n{\"series\":\"x\",\"timestamp\":3,\"value\":\"-Inf\"}\n{\"series\":\"x\",\"timestamp\":4,\"value\":null}\n{\"series\":\"x\",\"timestamp\":5,\"value\":\"+Inf\"}",
        ),
        (
            "b.ndjson",
            "{\"metric\":{\"__name__\":\"x\"},\"values\":[NaN,\"Inf\",\"-Inf\",null,\"+Inf\"],\"timestamps\":[1,2,3,4,5]}",
        ),
        ("a.prom", "x NaN 1\nx +Inf 2\nx -Inf 3\nx Inf 5\n"),
    ];
    for (name, text) in files {
        let scene = Scene::new(100);
        scene.import(name, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scene.samples(), ["x NaN 1", "x inf 2", "x -inf 3", "x inf 5"], "{name}");
    }
}

/// A timestamp in the future rejects the file; seconds are converted, with a note.
#[test]
fn seconds_are_converted_and_future_timestamps_rejected() {
    let scene = Scene::new(100);
    let latest = "the latest accepted timestamp is 2026-06-01T01:00:00Z (configuration ingest.max_ahead)";
    for stamp in ["2027-01-01", "1798761600000", "1798761600000000", "1798761600"] {
        for (name, text) in [
            ("a.csv", format!("series,timestamp,value\nx,{stamp},1\n")),
            ("a.ndjson", format!("{{\"series\":\"x\",\"timestamp\":\"{stamp}\",\"value\":1}}\n")),
        ] {
            let error = scene.import(name, text.as_bytes()).unwrap_err();
            assert!(
                error.contains("timestamp 2027-01-01T00:00:00Z is in the future") && error.ends_with(latest),
                "{error}"
            );
        }
    }
    let error = scene.import("a.prom", b"x 1 1767225600000\nx 1 1767225600\n").unwrap_err();
    assert!(error.starts_with("a.prom, line 2: the timestamp looks like epoch seconds"), "{error}");
    assert!(scene.samples().is_empty());
    let report = scene.import("a.csv", b"series,timestamp,value\nx,1767225600,1\nx,1767225660,2\n").unwrap();
    assert_eq!(report.span_ms, (1_767_225_600_000, 1_767_225_660_000));
    assert!(report.notes[0].contains("read as epoch seconds, from 2026-01-01"), "{:?}", report.notes);
    assert_eq!(scene.samples(), ["x 1 1767225600000", "x 2 1767225660000"]);
}

#[test]
fn text_declares_metadata() {
    let scene = Scene::new(100);
    scene.import("a.prom", b"# HELP up Whether it answers.\n# TYPE up gauge\nup 1 1000\n").unwrap();
    let rows = scene.ingest.store().metadata(&MetadataFilter::default());
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].metric.as_str(), rows[0].metric_type, rows[0].help.as_str()),
        ("up", MetricType::Gauge, "Whether it answers.")
    );
}
