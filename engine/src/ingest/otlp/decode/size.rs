//! Estimates the memory of a decoded message from its bytes. A part of a message takes two bytes on the wire and up to
//! some hundred in memory, so that the size of the bytes alone bounds nothing.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, SummaryDataPoint, exponential_histogram_data_point::Buckets, summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span,
        span::{Event, Link},
    },
};

use super::{Encoding, Signal};
use crate::ingest::remote_write::wire::{Fields, Value};

/// Memory of an object of JSON in bytes: the largest messages have about as much.
const JSON_OBJECT_BYTES: usize = 320;
/// Memory of an element of a list of JSON in bytes, in a vector that has grown by doubling.
const JSON_ELEMENT_BYTES: usize = 16;
/// Depth below which messages are not examined; the decoder refuses deeper ones.
const MAX_DEPTH: usize = 100;

/// A message, by what its fields contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Request(Signal),
    OfResource(Signal),
    OfScope(Signal),
    Resource,
    Scope,
    Metric,
    Points(Point),
    Point(Point),
    Buckets,
    Quantile,
    Exemplar,
    Span,
    Event,
    Link,
    Record,
    KeyValue,
    Any,
    Values,
    Pairs,
    /// Numbers that take a byte on the wire and eight in memory.
    Numbers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Number,
    Histogram,
    Exponential,
    Summary,
}

/// Estimates the memory of a decoded message in bytes, without allocating.
///
/// A message that is not valid gives any estimate; the decoder then refuses it.
#[must_use]
pub fn memory_needed(signal: Signal, encoding: Encoding, bytes: &[u8]) -> usize {
    let needed = match encoding {
        Encoding::Protobuf => part_bytes(Part::Request(signal), bytes, MAX_DEPTH),
        Encoding::Json => {
            let count = |byte: u8| bytes.iter().filter(|&&found| found == byte).count();
            count(b'{').saturating_mul(JSON_OBJECT_BYTES).saturating_add(count(b',') * JSON_ELEMENT_BYTES)
        }
    };
    needed.saturating_add(bytes.len())
}

/// Returns the memory of the parts of a message, twice their size because vectors grow by doubling.
fn part_bytes(part: Part, bytes: &[u8], depth: usize) -> usize {
    if part == Part::Numbers {
        return bytes.len().saturating_mul(JSON_ELEMENT_BYTES);
    }
    let mut total = part_size(part) * 2;
    let mut fields = Fields::new(bytes);
    while let Ok(Some(field)) = fields.next() {
        let Some(inner) = inner(part, field.number) else { continue };
        let more = match field.value {
            Value::Bytes(bytes) if depth > 0 => part_bytes(inner, bytes, depth - 1),
            // A number of a list that is not packed.
            _ => JSON_ELEMENT_BYTES,
        };
        total = total.saturating_add(more);
    }
    total
}

/// Returns what a field contains; `None` for texts and numbers.
fn inner(part: Part, field: u32) -> Option<Part> {
    let found = match (part, field) {
        (Part::Request(signal), 1) => Part::OfResource(signal),
        (Part::OfResource(_), 1) => Part::Resource,
        (Part::OfResource(signal), 2) => Part::OfScope(signal),
        (Part::OfScope(_), 1) => Part::Scope,
        (Part::OfScope(Signal::Metrics), 2) => Part::Metric,
        (Part::OfScope(Signal::Traces), 2) => Part::Span,
        (Part::OfScope(Signal::Logs), 2) => Part::Record,
        (Part::Metric, 5 | 7) => Part::Points(Point::Number),
        (Part::Metric, 9) => Part::Points(Point::Histogram),
        (Part::Metric, 10) => Part::Points(Point::Exponential),
        (Part::Metric, 11) => Part::Points(Point::Summary),
        (Part::Points(kind), 1) => Part::Point(kind),
        (Part::Point(Point::Histogram), 6 | 7) => Part::Numbers,
        (Part::Point(Point::Number), 5)
        | (Part::Point(Point::Histogram), 8)
        | (Part::Point(Point::Exponential), 11) => Part::Exemplar,
        (Part::Point(Point::Exponential), 8 | 9) => Part::Buckets,
        (Part::Buckets, 2) => Part::Numbers,
        (Part::Point(Point::Summary), 6) => Part::Quantile,
        (Part::Span, 11) => Part::Event,
        (Part::Span, 13) => Part::Link,
        (Part::Record, 5) | (Part::KeyValue, 2) | (Part::Values, 1) => Part::Any,
        (Part::Any, 5) => Part::Values,
        (Part::Any, 6) => Part::Pairs,
        (Part::Resource | Part::Pairs | Part::Point(Point::Exponential), 1)
        | (Part::Scope | Part::Event, 3)
        | (Part::Link, 4)
        | (Part::Record, 6)
        | (Part::Point(Point::Number | Point::Summary) | Part::Exemplar, 7)
        | (Part::Point(Point::Histogram) | Part::Span, 9)
        | (Part::Metric, 12) => Part::KeyValue,
        _ => return None,
    };
    Some(found)
}

fn part_size(part: Part) -> usize {
    match part {
        Part::Request(_) | Part::Points(_) | Part::Values | Part::Pairs | Part::Numbers => 0,
        Part::OfResource(Signal::Metrics) => size_of::<ResourceMetrics>(),
        Part::OfResource(Signal::Traces) => size_of::<ResourceSpans>(),
        Part::OfResource(Signal::Logs) => size_of::<ResourceLogs>(),
        Part::OfScope(Signal::Metrics) => size_of::<ScopeMetrics>(),
        Part::OfScope(Signal::Traces) => size_of::<ScopeSpans>(),
        Part::OfScope(Signal::Logs) => size_of::<ScopeLogs>(),
        Part::Resource => size_of::<Resource>(),
        Part::Scope => size_of::<InstrumentationScope>(),
        Part::Metric => size_of::<Metric>(),
        Part::Point(Point::Number) => size_of::<NumberDataPoint>(),
        Part::Point(Point::Histogram) => size_of::<HistogramDataPoint>(),
        Part::Point(Point::Exponential) => size_of::<ExponentialHistogramDataPoint>(),
        Part::Point(Point::Summary) => size_of::<SummaryDataPoint>(),
        Part::Buckets => size_of::<Buckets>(),
        Part::Quantile => size_of::<ValueAtQuantile>(),
        Part::Exemplar => size_of::<Exemplar>(),
        Part::Span => size_of::<Span>(),
        Part::Event => size_of::<Event>(),
        Part::Link => size_of::<Link>(),
        Part::Record => size_of::<LogRecord>(),
        Part::KeyValue => size_of::<KeyValue>(),
        Part::Any => size_of::<AnyValue>(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        metrics::v1::{Gauge, ResourceMetrics, ScopeMetrics, metric::Data},
    };
    use prost::Message;

    use super::*;

    #[test]
    fn the_estimate_counts_the_parts_and_not_the_bytes() {
        let points =
            vec![NumberDataPoint { attributes: vec![KeyValue::default(); 50], ..NumberDataPoint::default() }; 200];
        let metric = Metric { data: Some(Data::Gauge(Gauge { data_points: points })), ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let bytes = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
        let real = 200 * 50 * size_of::<KeyValue>();
        let estimate = memory_needed(Signal::Metrics, Encoding::Protobuf, &bytes);
        assert!(bytes.len() < 25_000 && (real..3 * real).contains(&estimate), "{} {estimate} {real}", bytes.len());
    }

    #[test]
    fn any_bytes_have_an_estimate() {
        for bytes in [&b""[..], b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"{}", &[0x0a; 1000]] {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                assert!(memory_needed(Signal::Logs, encoding, bytes) < 1 << 20);
            }
        }
    }
}
