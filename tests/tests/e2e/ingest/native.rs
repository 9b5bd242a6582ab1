//! Native histograms and exemplars of remote write: stored, answered in Prometheus' JSON, refused by name.

#![expect(clippy::float_cmp, reason = "these values are exact")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{
    proto::{
        BucketSpan, Exemplar, ExemplarV2, Histogram, Label, Request, SampleV2, TimeSeries, TimeSeriesV2, body, request,
        series,
    },
    read::{EQUAL, read},
    remote_write::{V1, V2, write},
};
use crate::harness::Server;

/// A histogram of schema 0 with an observation in (0.5, 1], two in (1, 2] and, from index 4, `more` in (8, 16].
fn histogram(timestamp: i64, more: u64) -> Histogram {
    let count = i64::try_from(more).unwrap();
    Histogram {
        count_int: 3 + more,
        sum: 4.0 + 10.0 * more as f64,
        positive_spans: vec![BucketSpan { offset: 0, length: 2 }, BucketSpan { offset: 2, length: 1 }],
        positive_deltas: vec![1, 1, count - 2],
        timestamp,
        ..Histogram::default()
    }
}

fn latency(histograms: Vec<Histogram>) -> TimeSeries {
    TimeSeries { histograms, ..series(&[("__name__", "latency"), ("job", "api")], &[]) }
}

/// Returns the time in epoch milliseconds.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn query(server: &Server, expr: &str) -> Value {
    let answer = server.send(server.request("GET", "/api/v1/query").query(&[("query", expr)]));
    assert_eq!(answer.status, 200, "{expr}: {}", answer.text());
    answer.json()["data"]["result"].clone()
}

fn number(server: &Server, expr: &str) -> f64 {
    let result = query(server, expr);
    result[0]["value"][1].as_str().unwrap_or_else(|| panic!("{expr}: {result}")).parse().unwrap()
}

#[test]
fn histograms_are_answered_like_those_of_prometheus() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms() / 1000 * 1000;
    let all = (0..3).map(|n| histogram(now - 20_000 + 10_000 * n, 2 * u64::try_from(n).unwrap()));
    assert_eq!(write(&server, V1, request(vec![latency(all.collect())])).status, 204);
    let buckets = json!([[0, "0.5", "1", "1"], [0, "1", "2", "2"], [0, "8", "16", "4"]]);
    let found = &query(&server, "latency")[0];
    assert_eq!(found["histogram"][1], json!({"count": "7", "sum": "44", "buckets": buckets}));
    assert!(found.get("value").is_none() && found["metric"]["job"] == "api");
    let range = &query(&server, "latency[1m]")[0];
    assert_eq!(range["histograms"].as_array().unwrap().len(), 3);
    assert!(range.get("values").is_none());
    // The 3.5th of 7 observations is 1/8 into the four of (8, 16] on a logarithmic scale.
    let median = number(&server, "histogram_quantile(0.5, latency)");
    assert!((median - 8.0 * 2_f64.powf(0.125)).abs() < 1e-9, "{median}");
    assert_eq!(number(&server, "histogram_count(latency)"), 7.0);
    assert_eq!(number(&server, "histogram_avg(sum(latency))"), 44.0 / 7.0);
    assert_eq!(number(&server, "histogram_fraction(0, 2, latency)"), 3.0 / 7.0);
    assert_eq!(number(&server, "histogram_count(latency - latency offset 10s)"), 2.0);
    let rate = number(&server, "histogram_count(rate(latency[25s]))");
    assert!(rate > 0.1 && rate < 0.3, "{rate}");
    assert_eq!(query(&server, "latency > 1"), json!([]));
    assert!(server.stop().success());
    let server = Server::start(folder.path());
    assert_eq!(number(&server, "histogram_sum(latency)"), 44.0);
}

#[test]
fn recording_rules_keep_histograms_and_remote_read_returns_them() {
    let folder = tempdir().unwrap();
    let rules =
        "groups:\n- name: g\n  interval: 1s\n  rules:\n  - {record: job:latency:sum, expr: sum by (job) (latency)}\n";
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let config = "[alerts]\nrule_files = [\"rules.yml\"]\nevaluate = true\n";
    fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    assert_eq!(write(&server, V1, request(vec![latency(vec![histogram(now, 4)])])).status, 204);
    let end = Instant::now() + Duration::from_secs(60);
    while query(&server, "job:latency:sum") == json!([]) {
        assert!(Instant::now() < end, "{}", server.get("/api/v1/rules").text());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(number(&server, "histogram_count(job:latency:sum{job=\"api\"})"), 7.0);
    assert_eq!(number(&server, "histogram_sum(job:latency:sum)"), 44.0);
    assert_eq!(server.get("/api/v1/rules").json()["data"]["groups"][0]["rules"][0]["health"], "ok");

    let read = read(&server, EQUAL, "latency", (now - 1_000, now + 1_000));
    let [one] = &read[..] else { panic!("{read:?}") };
    let found = &one.histograms[0];
    assert_eq!((found.timestamp, found.sum, one.histograms.len(), one.samples.len()), (now, 44.0, 1, 0));
    // The same buckets as those that were sent, whichever form of the counts was chosen.
    let counts = if found.positive_counts.is_empty() {
        found
            .positive_deltas
            .iter()
            .scan(0, |count, delta| {
                *count += delta;
                Some(*count as f64)
            })
            .collect()
    } else {
        found.positive_counts.clone()
    };
    assert_eq!(counts.into_iter().filter(|count| *count > 0.0).collect::<Vec<_>>(), [1.0, 2.0, 4.0]);
}

#[test]
fn remote_write_2_counts_histograms_and_exemplars() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    let custom = Histogram {
        count_float: 4.5,
        sum: 7.0,
        schema: -53,
        positive_spans: vec![BucketSpan { offset: 0, length: 3 }],
        positive_counts: vec![1.0, 0.5, 3.0],
        custom_values: vec![0.1, 1.0],
        timestamp: now,
        ..Histogram::default()
    };
    let message = Request {
        symbols: ["", "__name__", "latency", "trace_id", "abc"].map(str::to_owned).to_vec(),
        timeseries: vec![
            TimeSeriesV2 { labels_refs: vec![1, 2], histograms: vec![custom], ..TimeSeriesV2::default() },
            TimeSeriesV2 {
                labels_refs: vec![1, 2],
                exemplars: vec![ExemplarV2 { labels_refs: vec![3, 4], value: 0.67, timestamp: now }],
                ..TimeSeriesV2::default()
            },
        ],
    };
    let reply = write(&server, V2, body(&message));
    assert_eq!(reply.status, 204, "{}", reply.text());
    for (kind, count) in [("samples", "0"), ("histograms", "1"), ("exemplars", "1")] {
        assert_eq!(reply.header(&format!("x-prometheus-remote-write-{kind}-written")), Some(count), "{kind}");
    }
    let buckets = json!([[3, "-Inf", "0.1", "1"], [0, "0.1", "1", "0.5"], [0, "1", "+Inf", "3"]]);
    assert_eq!(query(&server, "latency")[0]["histogram"][1], json!({"count": "4.5", "sum": "7", "buckets": buckets}));
    let found = server.get("/api/v1/query_exemplars?query=rate(latency[5m])").json();
    let seconds = now as f64 / 1000.0;
    let exemplar = json!({"labels": {"trace_id": "abc"}, "value": "0.67", "timestamp": seconds});
    assert_eq!(found["data"], json!([{"seriesLabels": {"__name__": "latency"}, "exemplars": [exemplar]}]));
    let none = server.get("/api/v1/query_exemplars?query=latency&end=1000").json();
    assert_eq!(none, json!({"status": "success", "data": []}));
}

#[test]
fn a_stale_marker_ends_a_series_of_histograms() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    let stale = Histogram { sum: f64::from_bits(0x7ff0_0000_0000_0002), timestamp: now, ..Histogram::default() };
    assert_eq!(write(&server, V1, request(vec![latency(vec![histogram(now - 1_000, 2)])])).status, 204);
    assert_eq!(query(&server, "latency").as_array().unwrap().len(), 1);
    assert_eq!(write(&server, V1, request(vec![latency(vec![stale])])).status, 204);
    assert_eq!(query(&server, "latency"), json!([]));
    assert_eq!(number(&server, "count_over_time(latency[1m])"), 1.0);
}

#[test]
fn invalid_histograms_are_refused_by_name_and_the_others_are_stored() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    let valid = histogram(now, 2);
    let span = |offset, length| BucketSpan { offset, length };
    let faults: Vec<(Histogram, &str)> = vec![
        (Histogram { schema: 9, ..valid.clone() }, "schema 9 is not known"),
        (Histogram { positive_deltas: vec![-1, 2, 1], ..valid.clone() }, "the count of a bucket is -1"),
        (Histogram { positive_deltas: vec![1], ..valid.clone() }, "the spans have 3 buckets, but 1 are sent"),
        (Histogram { positive_spans: vec![span(i32::MAX, 3)], ..valid.clone() }, "span 1 has the offset 2147483647"),
        (Histogram { positive_spans: vec![span(0, 1), span(-3, 2)], ..valid.clone() }, "span 2 has the offset -3"),
        (Histogram { count_int: 1, ..valid.clone() }, "more than the count of 1"),
        (Histogram { zero_threshold: f64::NAN, ..valid.clone() }, "the zero threshold is NaN"),
        (
            Histogram { custom_values: vec![1.0], ..valid.clone() },
            "a histogram with exponential buckets has no custom bounds",
        ),
        (Histogram { positive_counts: vec![1.0], ..valid.clone() }, "integer and float counts are mixed"),
        (
            Histogram { positive_spans: vec![span(0, 4000)], positive_deltas: vec![0; 4000], ..valid.clone() },
            "buckets are more than 2048",
        ),
        (Histogram { timestamp: now * 1000, ..valid.clone() }, "timestamps are epoch milliseconds"),
    ];
    for (fault, expected) in &faults {
        let good = TimeSeries { histograms: vec![valid.clone()], ..series(&[("__name__", "good")], &[]) };
        let reply = write(&server, V1, request(vec![latency(vec![fault.clone()]), good]));
        let text = reply.text();
        assert!(
            reply.status == 400 && text.contains("1 of 2 samples refused") && text.contains(expected),
            "{expected}: {text}"
        );
    }
    assert_eq!(query(&server, "latency"), json!([]));
    assert_eq!(query(&server, "good").as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/v1/label/__name__/values").json()["data"], json!(["good"]));
}

#[test]
fn exemplars_do_not_disturb_samples() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    let label = |name: &str, value: &str| Label { name: name.into(), value: value.into() };
    let exemplar = |labels: Vec<Label>, value, timestamp| Exemplar { labels, value, timestamp };
    let long = exemplar(vec![label("trace_id", &"x".repeat(121))], 1.0, now);
    let good = exemplar(vec![label("trace_id", "x")], 2.0, now);
    let with = |exemplars| TimeSeries { exemplars, ..series(&[("__name__", "up")], &[(now, 1.0)]) };
    // As in Prometheus, a refused exemplar is no reason for an error.
    assert_eq!(write(&server, V1, request(vec![with(vec![long, good.clone()])])).status, 204);
    let older = exemplar(vec![], 1.0, now - 1);
    assert_eq!(write(&server, V1, request(vec![with(vec![older])])).status, 204);
    let found = server.get("/api/v1/query_exemplars?query=up").json();
    assert_eq!(found["data"][0]["exemplars"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["exemplars"][0]["value"], "2");
    assert!(server.get("/metrics").text().contains("almanac_ingest_refused_total{reason=\"exemplar\"} 2"));
}

#[test]
fn a_refused_stale_marker_of_a_histogram_is_not_counted_as_written() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_ms();
    let stale = |timestamp| Histogram { sum: f64::from_bits(0x7ff0_0000_0000_0002), timestamp, ..Histogram::default() };
    let sample = SampleV2 { value: 1.0, timestamp: now, ..SampleV2::default() };
    let message = |timestamp| Request {
        symbols: ["", "__name__", "latency", "up"].map(str::to_owned).to_vec(),
        timeseries: vec![
            TimeSeriesV2 { labels_refs: vec![1, 2], histograms: vec![stale(timestamp)], ..TimeSeriesV2::default() },
            TimeSeriesV2 { labels_refs: vec![1, 3], samples: vec![sample], ..TimeSeriesV2::default() },
        ],
    };
    // The second one is two hours ahead.
    for (timestamp, status, histograms) in [(now, 204, "1"), (now + 7_200_000, 400, "0")] {
        let reply = write(&server, V2, body(&message(timestamp)));
        assert_eq!(reply.status, status, "{}", reply.text());
        for (kind, count) in [("samples", "1"), ("histograms", histograms)] {
            let header = format!("x-prometheus-remote-write-{kind}-written");
            assert_eq!(reply.header(&header), Some(count), "{kind} at {timestamp}");
        }
    }
}
