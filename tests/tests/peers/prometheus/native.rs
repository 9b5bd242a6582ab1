//! Native histograms and exemplars: a real Prometheus scrapes them, forwards them and reads them; the service scrapes the same target.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use prost::Message;
use serde_json::Value;

use super::server::Prometheus;
use crate::{
    harness::{Server, almanac},
    process::{client, free_ports},
};

/// `io.prometheus.client.MetricFamily` with what a histogram needs.
#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    value: f64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// Returns the page after `n` scrapes. Two routes have different schemas, and one of them is reset at every eighth.
fn page(n: u64) -> Vec<u8> {
    let pair = |name: &str, value: &str| LabelPair { name: name.to_owned(), value: value.to_owned() };
    let metric = |route: &str, n: u64, schema: i32| {
        let exemplar = Exemplar { label: vec![pair("trace_id", &format!("{n:08x}"))], value: 0.8 };
        let histogram = Histogram {
            sample_count: 10 * n + 2,
            sample_sum: 12.5 * n as f64,
            bucket: vec![Bucket { cumulative_count: 10 * n, upper_bound: 1.0, exemplar: Some(exemplar) }],
            schema,
            zero_threshold: 0.001,
            zero_count: 2,
            negative_span: vec![BucketSpan { offset: 1, length: 1 }],
            negative_delta: vec![i64::try_from(n).unwrap()],
            // Counts n, 3n and, two buckets later, 5n.
            positive_span: vec![BucketSpan { offset: -1, length: 2 }, BucketSpan { offset: 2, length: 1 }],
            positive_delta: [1, 2, 2].map(|part| part * i64::try_from(n).unwrap()).to_vec(),
        };
        Metric { label: vec![pair("route", route)], histogram: Some(histogram) }
    };
    let family = MetricFamily {
        name: "latency_seconds".to_owned(),
        kind: 4,
        metric: vec![metric("/pay", n, 2), metric("/list", n % 8 + 1, 0)],
    };
    family.encode_length_delimited_to_vec()
}

/// Serves the page on a free port, and returns its address.
fn exporter() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let scrapes = Arc::new(AtomicU64::new(1));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, scrapes) = (connection.unwrap(), Arc::clone(&scrapes));
            thread::spawn(move || {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let body = page(scrapes.fetch_add(1, Ordering::Relaxed));
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
            });
        }
    });
    address
}

fn ask(url: &str, path: &str, parameters: &[(&str, &str)]) -> Value {
    let reply = client().get(format!("{url}{path}")).query(parameters).send().unwrap();
    let answer: Value = serde_json::from_str(&reply.text().unwrap()).unwrap();
    assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
    answer["data"].clone()
}

fn query(url: &str, expr: &str, at: &str) -> Value {
    let mut result = ask(url, "/api/v1/query", &[("query", expr), ("time", at)])["result"].clone();
    result.as_array_mut().unwrap().sort_by_key(|one| one["metric"].to_string());
    result
}

/// Whether two answers are the same but for rounding.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::String(x), Value::String(y)) => match (x.parse::<f64>(), y.parse::<f64>()) {
            (Ok(x), Ok(y)) => (x - y).abs() <= 1e-9 * x.abs().max(y.abs()),
            _ => x == y,
        },
        _ => a == b,
    }
}

fn serve(folder: &Path, port: u16, target: &str) -> Server {
    let config = folder.join("almanac.toml");
    let text = format!(
        "[[scrape]]\njob = \"direct\"\ntargets = [\"{target}\"]\ninterval = \"1s\"\nnative_histograms = true\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = almanac(folder);
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--config"]).arg(config);
    Server::from_command(command)
}

#[test]
fn native_histograms_are_the_same_as_in_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (target, [port]) = (exporter(), free_ports());
    let service = serve(folder, port, &target);
    let configuration = |_: u16| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - {{job_name: forwarded, static_configs: [{{targets: ['{target}']}}]}}
remote_write:
  - url: http://127.0.0.1:{port}/api/v1/write
    send_native_histograms: true
    send_exemplars: true
    queue_config: {{batch_send_deadline: 300ms}}
"
        )
    };
    let flags = ["--enable-feature=native-histograms,exemplar-storage", "--log.level=warn"];
    let prometheus = Prometheus::start(folder, configuration, &flags);
    thread::sleep(Duration::from_secs(20));
    let at = format!("{:.3}", chrono::Utc::now().timestamp_millis() as f64 / 1000.0 - 3.0);
    let series = "latency_seconds{job=\"forwarded\"}";
    // Quantiles and fractions of this Prometheus are interpolated linearly, those of Prometheus 3 on a logarithmic scale.
    for expr in [
        series.to_owned(),
        format!("{series}[15s]"),
        format!("sum({series})"),
        format!("sum by (route) (rate({series}[10s]))"),
        format!("increase({series}[10s])"),
        format!("histogram_count(rate({series}[10s]))"),
        format!("histogram_sum({series})"),
        format!("count({series})"),
    ] {
        let (mine, others) = (query(&service.url, &expr, &at), query(&prometheus.url, &expr, &at));
        assert!(others.as_array().is_some_and(|all| !all.is_empty()), "{expr}: {others}");
        assert!(same(&mine, &others), "{expr}:\n{mine}\n{others}");
    }
    // What the service scrapes itself has the same form.
    let direct = query(&service.url, "sum by (route) (latency_seconds{job=\"direct\"})", &at);
    assert_eq!(direct.as_array().unwrap().len(), 2, "{direct}");
    let buckets = direct[0]["histogram"][1]["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 5, "{direct}");
    for job in ["direct", "forwarded"] {
        let selector = format!("latency_seconds{{job=\"{job}\"}}");
        let found = ask(&service.url, "/api/v1/query_exemplars", &[("query", selector.as_str())]);
        assert!(found[0]["exemplars"].as_array().is_some_and(|all| all.len() > 5), "{job}: {found}");
        assert_eq!(found[0]["exemplars"][0]["value"], "0.8", "{job}");
    }
    prometheus.peer.stop();
    assert!(service.stop().success());
}
