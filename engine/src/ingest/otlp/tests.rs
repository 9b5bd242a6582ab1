//! Tests of OTLP against a store: failures do not change sums, counters begin at zero, streams are bounded.

use almanac_models::Timestamp;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest},
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
        number_data_point,
    },
};
use prost::Message;
use tempfile::TempDir;

use super::{Encoding, Otlp, OtlpError, OtlpSettings, Signal};
use crate::{
    ingest::{Ingest, IngestLimits},
    series::{Matcher, SampleSource},
    store::{Store, StoreOptions},
};

const NOW_MS: i64 = 1_795_420_800_000;
const NOW: Timestamp = Timestamp::from_millis(NOW_MS);

fn otlp(options: StoreOptions) -> (Otlp, Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("otlp.duckdb"), options).unwrap();
    let otlp = Otlp::new(Ingest::new(store.clone(), IngestLimits::default()), OtlpSettings::default());
    (otlp, store, folder)
}

/// Returns an export of deltas of a counter, one for each offset in seconds before now.
fn deltas(name: &str, points: &[(i64, f64)]) -> Vec<u8> {
    let nanos = |seconds: i64| u64::try_from((NOW_MS - seconds * 1000) * 1_000_000).unwrap();
    let points = points.iter().map(|(seconds, value)| NumberDataPoint {
        start_time_unix_nano: nanos(seconds + 10),
        time_unix_nano: nanos(*seconds),
        value: Some(number_data_point::Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    });
    let sum = Sum {
        data_points: points.collect(),
        aggregation_temporality: AggregationTemporality::Delta.into(),
        is_monotonic: true,
    };
    let metric = Metric { name: name.to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
}

fn records(bodies: &[&str]) -> Vec<u8> {
    let records = bodies.iter().map(|body| LogRecord {
        severity_number: 17,
        body: Some(AnyValue { value: Some(Value::StringValue((*body).to_owned())) }),
        ..LogRecord::default()
    });
    let scope = ScopeLogs { log_records: records.collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

/// Returns time before now in seconds, and value, of each sample of a metric with one series.
fn samples(store: &Store, name: &str) -> Vec<(f64, f64)> {
    let matchers = [Matcher::equal("__name__", name)];
    let found = store.select(&matchers, 0, NOW_MS, 1_000).unwrap();
    assert!(found.len() <= 1, "{found:?}");
    let one = found.into_iter().next().unwrap_or_default();
    let ago = |at: &i64| (NOW_MS - at) as f64 / 1000.0;
    one.timestamps.iter().map(ago).zip(one.values).collect()
}

#[test]
fn an_export_that_is_rejected_changes_no_sum() {
    let options = StoreOptions { max_series: 1, ..StoreOptions::default() };
    let (otlp, store, _folder) = otlp(options);
    let send = |bytes: &[u8]| otlp.receive(Signal::Metrics, Encoding::Protobuf, bytes, NOW).unwrap().wait().unwrap();
    assert_eq!(send(&deltas("a", &[(30, 5.0)])).rejected, 0);
    // The second series is one too many; the first one of the same export is stored.
    let refused = send(&deltas("b", &[(20, 1.0), (10, 1.0)]));
    assert_eq!((refused.items, refused.rejected), (2, 2));
    assert!(refused.message.starts_with("2 of 2 data points are not stored: series b_total"), "{}", refused.message);
    assert_eq!(send(&deltas("a", &[(20, 7.0)])).rejected, 0);
    assert_eq!(samples(&store, "a_total"), [(40.0, 0.0), (30.0, 5.0), (20.0, 12.0)]);
    store.close().unwrap();
    let failed = otlp.receive(Signal::Metrics, Encoding::Protobuf, &deltas("a", &[(10, 7.0)]), NOW);
    assert!(matches!(failed, Err(OtlpError::Store(_))), "{failed:?}");
}

#[test]
fn a_point_in_the_future_does_not_block_its_stream() {
    let (otlp, store, _folder) = otlp(StoreOptions::default());
    let send = |bytes: &[u8]| otlp.receive(Signal::Metrics, Encoding::Protobuf, bytes, NOW).unwrap().wait().unwrap();
    assert_eq!(send(&deltas("a", &[(-86_400, 100.0), (30, 5.0)])).rejected, 1);
    assert_eq!(send(&deltas("a", &[(20, 7.0)])).rejected, 0);
    assert_eq!(samples(&store, "a_total").last(), Some(&(20.0, 12.0)));
}

#[test]
fn counts_of_records_begin_at_zero_and_rise_within_a_millisecond() {
    let (otlp, store, _folder) = otlp(StoreOptions::default());
    for _ in 0..3 {
        let bytes = records(&["failed after 3 ms", "failed after 4 ms"]);
        let summary = otlp.receive(Signal::Logs, Encoding::Protobuf, &bytes, NOW).unwrap().wait().unwrap();
        assert_eq!((summary.items, summary.rejected, summary.message.as_str()), (2, 0, ""));
    }
    let matchers = [Matcher::equal("__name__", "log_messages_total")];
    let found = store.select(&matchers, 0, NOW_MS + 10, 1_000).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].labels.get("template"), Some("failed after <*> ms"));
    assert_eq!(found[0].timestamps, [NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS + 2]);
    assert_eq!(found[0].values, [0.0, 2.0, 4.0, 6.0]);
}

#[test]
fn labels_of_a_resource_are_bounded_over_its_points() {
    let (otlp, _store, _folder) = otlp(StoreOptions::default());
    let mut request = ExportMetricsServiceRequest::decode(&deltas("a", &[(1, 1.0); 1_000])[..]).unwrap();
    let name = AnyValue { value: Some(Value::StringValue("x".repeat(1 << 20))) };
    let attribute = opentelemetry_proto::tonic::common::v1::KeyValue {
        key: "service.name".to_owned(),
        value: Some(name),
        ..Default::default()
    };
    request.resource_metrics[0].resource =
        Some(opentelemetry_proto::tonic::resource::v1::Resource { attributes: vec![attribute], ..Default::default() });
    let failed = otlp.receive(Signal::Metrics, Encoding::Protobuf, &request.encode_to_vec(), NOW);
    assert!(matches!(failed, Err(OtlpError::TooManySeries { .. })), "{failed:?}");
}
