//! The gRPC listener: limits, tokens, errors, TLS, and clients that speak something else.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point},
};
use tempfile::tempdir;
use tokio::runtime::Runtime;
use tonic::{Code, Status, client::Grpc, codec::CompressionEncoding, transport::Channel};
use tonic_prost::ProstCodec;

use super::{
    keda::{Client, prepare, spec},
    now_nanos, query, start, value,
};
use crate::access::tls::write_certificates;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Returns an export of gauges with these numbers of points and of attributes.
fn export(points: usize, attributes: usize, text: &str) -> ExportMetricsServiceRequest {
    let attribute = |idx: usize| KeyValue {
        key: format!("a{idx}"),
        value: Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) }),
        ..KeyValue::default()
    };
    let point = |idx: u64| NumberDataPoint {
        attributes: (0..attributes).map(attribute).collect(),
        time_unix_nano: now_nanos() - idx * 1_000_000_000,
        value: Some(number_data_point::Value::AsDouble(1.5)),
        ..NumberDataPoint::default()
    };
    let points = (0..points).map(|idx| point(u64::try_from(idx).unwrap())).collect();
    let metric =
        Metric { name: "load".to_owned(), data: Some(Data::Gauge(Gauge { data_points: points })), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }
}

/// Calls a method with an export, with gzip, and a token if there is one.
fn call(
    runtime: &Runtime,
    address: &str,
    path: &'static str,
    token: Option<&str>,
    message: ExportMetricsServiceRequest,
) -> Result<ExportMetricsServiceResponse, Status> {
    runtime.block_on(async {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.timeout(Duration::from_secs(60)).connect().await.unwrap();
        let mut client = Grpc::new(channel).send_compressed(CompressionEncoding::Gzip);
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(message);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let codec = ProstCodec::<ExportMetricsServiceRequest, ExportMetricsServiceResponse>::default();
        client.unary(request, path.parse().unwrap(), codec).await.map(tonic::Response::into_inner)
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn tokens_limits_and_methods_are_checked() {
    let folder = tempdir().unwrap();
    let (server, address) = start(folder.path(), &["--token", "secret"]);
    let (server, runtime) = (server.with_token("secret"), runtime());
    let send = |path, token, message| call(&runtime, &address, path, token, message);
    let refused = send(EXPORT, None, export(1, 1, "x")).unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    assert!(refused.message().contains("authorization: Bearer TOKEN"), "{refused:?}");
    assert_eq!(send(EXPORT, Some("wrong"), export(1, 1, "x")).unwrap_err().code(), Code::Unauthenticated);
    let refused = send("/almanac.Unknown/Call", Some("secret"), export(1, 1, "x")).unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    assert!(refused.message().contains("/almanac.Unknown/Call"), "{refused:?}");
    assert!(query(&server, "load").is_empty());

    let stored = send(EXPORT, Some("secret"), export(3, 1, "x")).unwrap();
    assert_eq!(stored.partial_success, None);
    assert_eq!(value(&server, "count_over_time(load[5m])"), 3.0);
    // Too many labels: the other points of the export are stored.
    let mut mixed = export(1, 100, "x");
    mixed.resource_metrics.extend(export(1, 2, "y").resource_metrics);
    let partial = send(EXPORT, Some("secret"), mixed).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1, "{partial:?}");
    assert!(partial.error_message.contains("has 101 labels"), "{partial:?}");
    assert_eq!(value(&server, "load{a1=\"y\"}"), 1.5);

    // A megabyte of gzip that becomes 40 MiB, and many small parts.
    let large = send(EXPORT, Some("secret"), export(1, 40, &"z".repeat(1 << 20))).unwrap_err();
    assert_eq!(large.code(), Code::ResourceExhausted, "{large:?}");
    let parts = ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics::default(); 3 << 20] };
    let many = send(EXPORT, Some("secret"), parts).unwrap_err();
    assert_eq!(many.code(), Code::ResourceExhausted, "{many:?}");
    assert!(many.message().contains("send smaller batches"), "{many:?}");
    assert!(send(EXPORT, Some("secret"), export(1, 1, "x")).is_ok());
    assert!(server.stop().success());
}

#[test]
fn other_protocols_are_closed_and_reach_nothing() {
    let folder = tempdir().unwrap();
    let (server, address) = start(folder.path(), &[]);
    for bytes in [
        &b"GET /v1/signals HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 64],
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.stop().success());
}

#[test]
fn the_listener_has_the_certificate_of_the_service() {
    let folder = tempdir().unwrap();
    prepare(folder.path());
    write_certificates(folder.path());
    let config = std::fs::read_to_string(folder.path().join("almanac.toml")).unwrap();
    let tls = "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    std::fs::write(folder.path().join("almanac.toml"), format!("{tls}{config}")).unwrap();
    let (server, address) = start(folder.path(), &[]);
    assert!(server.log().iter().any(|line| line.starts_with("almanac: gRPC on https://")), "{:?}", server.log());
    let mut client = Client::start(&address, Some(&folder.path().join("ca.pem")));
    assert_eq!(client.call("GetMetricSpec", &serde_json::json!({"workload": "api"})), spec());
    assert!(server.stop().success());
}
