//! OpenTelemetry's SDK for Rust over gRPC, with a token in the metadata.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::MeterProvider,
    trace::{SpanKind, Tracer, TracerProvider},
};
use opentelemetry_otlp::{
    MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig, tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider, Temporality},
    trace::SdkTracerProvider,
};
use tempfile::tempdir;

use super::{start, value};

#[test]
fn the_rust_sdk_is_understood_over_grpc() {
    let folder = tempdir().unwrap();
    let (server, grpc) = start(folder.path(), &["--token", "secret"]);
    let server = server.with_token("secret");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", "Bearer secret".parse().unwrap());
    let endpoint = format!("http://{grpc}");
    let resource = Resource::builder()
        .with_service_name("rusty")
        .with_attribute(KeyValue::new("service.instance.id", "1"))
        .build();

    let exporter = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .with_timeout(Duration::from_secs(60))
        .with_metadata(metadata.clone())
        .with_temporality(Temporality::Delta)
        .build()
        .unwrap();
    let reader = PeriodicReader::builder(exporter).with_interval(Duration::from_secs(3_600)).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).with_resource(resource.clone()).build();
    let counter = meters.meter("worker").u64_counter("jobs").with_unit("{job}").build();
    for count in [3, 4] {
        counter.add(count, &[KeyValue::new("kind", "sync")]);
        meters.force_flush().unwrap();
    }
    meters.shutdown().unwrap();
    assert_eq!(
        value(&server, "jobs_total{kind=\"sync\",job=\"rusty\",instance=\"1\",otel_scope_name=\"worker\"}"),
        7.0
    );

    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .with_timeout(Duration::from_secs(60))
        .with_metadata(metadata)
        .build()
        .unwrap();
    let traces = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = traces.tracer("worker");
    for _ in 0..5 {
        drop(tracer.span_builder("sync").with_kind(SpanKind::Consumer).start(&tracer));
    }
    traces.force_flush().unwrap();
    traces.shutdown().unwrap();
    let calls =
        "traces_span_metrics_calls_total{service_name=\"rusty\",span_name=\"sync\",span_kind=\"SPAN_KIND_CONSUMER\"}";
    assert_eq!(value(&server, calls), 5.0);
    assert!(server.stop().success());
}
