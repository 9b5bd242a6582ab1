//! Decodes the protobuf format of pages: messages `io.prometheus.client.MetricFamily`, each after its length.
//!
//! It is the only format with native histograms. Every series becomes the text of the text format, so that it is looked
//! up and labelled as there.

use std::sync::Arc;

use crate::{
    histogram::{Histogram, HistogramError, ResetHint},
    ingest::{
        metadata::DeclaredMetadata,
        remote_write::{
            WireError,
            histogram::{Side, doubles, finish, span, varints, zigzag},
            wire::{Field, Fields},
        },
        text::PageExemplar,
    },
    store::rows::MetricType,
};

/// Content type of the format.
pub(super) const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// Whether a content type is that of the format.
pub(super) fn is_protobuf(content_type: Option<&str>) -> bool {
    let media = content_type.and_then(|text| text.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/vnd.google.protobuf"))
}

/// Why a page cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ProtobufError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("metric family {number} has no name")]
    NoName { number: usize },
    #[error("a text of metric family {number} is not UTF-8")]
    NotUtf8 { number: usize },
    #[error("the native histogram {name:?} is invalid: {problem}")]
    Histogram { name: String, problem: HistogramError },
    #[error("the page has more than {limit} samples")]
    TooMany { limit: usize },
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct ProtobufPage {
    pub(crate) samples: Vec<ProtobufSample>,
    families: Vec<Family>,
}

/// A sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProtobufSample {
    /// The series as in the text format: `name{label="value"}`.
    pub(crate) series: String,
    /// Label whose value is a number.
    pub(crate) bound: Option<&'static str>,
    pub(crate) value: f64,
    /// The histogram instead of a value.
    pub(crate) histogram: Option<Arc<Histogram>>,
    /// Epoch milliseconds, if the sample has a time of its own.
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) exemplars: Vec<PageExemplar>,
}

/// Metadata of a family.
#[derive(Debug)]
struct Family {
    name: String,
    metric_type: MetricType,
    help: String,
    unit: String,
}

impl ProtobufPage {
    /// Returns the declared metadata.
    pub(crate) fn declared(&self) -> impl Iterator<Item = DeclaredMetadata<'_>> {
        self.families.iter().map(|family| DeclaredMetadata {
            metric_type: family.metric_type,
            metric: family.name.as_bytes(),
            help: family.help.as_bytes(),
            unit: family.unit.as_bytes(),
        })
    }
}

/// Decodes a page with at most `limit` samples.
pub(crate) fn decode(body: &[u8], limit: usize) -> Result<ProtobufPage, ProtobufError> {
    let mut page = ProtobufPage::default();
    let mut rest = Fields::new(body);
    let mut number = 0;
    while !rest.is_done() {
        number += 1;
        let length = usize::try_from(rest.varint()?).map_err(|_| WireError::Truncated)?;
        family(rest.take(length)?, number, limit, &mut page)?;
    }
    Ok(page)
}

fn family(message: &[u8], number: usize, limit: usize, page: &mut ProtobufPage) -> Result<(), ProtobufError> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| ProtobufError::NotUtf8 { number });
    let mut family =
        Family { name: String::new(), metric_type: MetricType::Counter, help: String::new(), unit: String::new() };
    let mut metrics = Vec::new();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => family.name = text(field.bytes()?)?,
            2 => family.help = text(field.bytes()?)?,
            3 => family.metric_type = metric_type(field.uint64()?),
            4 => metrics.push(field.bytes()?),
            5 => family.unit = text(field.bytes()?)?,
            _ => {}
        }
    }
    if family.name.is_empty() {
        return Err(ProtobufError::NoName { number });
    }
    for message in metrics {
        metric(message, &family.name, number, page)?;
        if page.samples.len() > limit {
            return Err(ProtobufError::TooMany { limit });
        }
    }
    page.families.push(family);
    Ok(())
}

fn metric_type(number: u64) -> MetricType {
    match number {
        0 => MetricType::Counter,
        1 => MetricType::Gauge,
        2 => MetricType::Summary,
        4 => MetricType::Histogram,
        5 => MetricType::GaugeHistogram,
        _ => MetricType::Unknown,
    }
}

/// One metric: labels, time and the message with its value.
struct Metric<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    timestamp_ms: Option<i64>,
    page: &'a mut ProtobufPage,
}

fn metric(message: &[u8], name: &str, number: usize, page: &mut ProtobufPage) -> Result<(), ProtobufError> {
    let mut metric = Metric { name, labels: Vec::new(), timestamp_ms: None, page };
    let mut values: Vec<Field<'_>> = Vec::new();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => metric.labels.push(pair(field.bytes()?).map_err(|error| match error {
                PairError::Wire(error) => error.into(),
                PairError::NotUtf8 => ProtobufError::NotUtf8 { number },
            })?),
            6 => metric.timestamp_ms = Some(field.int64()?),
            2..=5 | 7 => values.push(field),
            _ => {}
        }
    }
    for field in values {
        match field.number {
            4 => metric.summary(field.bytes()?)?,
            7 => metric.histogram(field.bytes()?)?,
            _ => metric.number(field.bytes()?)?,
        }
    }
    Ok(())
}

enum PairError {
    Wire(WireError),
    NotUtf8,
}

impl From<WireError> for PairError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Decodes `LabelPair { string name = 1; string value = 2; }`.
fn pair(message: &[u8]) -> Result<(String, String), PairError> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| PairError::NotUtf8);
    let mut pair = (String::new(), String::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => pair.0 = text(field.bytes()?)?,
            2 => pair.1 = text(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(pair)
}

/// Decodes `Exemplar { repeated LabelPair label = 1; double value = 2; Timestamp timestamp = 3; }`; `None` if its labels
/// are no text.
fn exemplar(message: &[u8]) -> Result<Option<PageExemplar>, WireError> {
    let mut exemplar = PageExemplar { labels: Vec::new(), value: 0.0, timestamp_ms: None };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => match pair(field.bytes()?) {
                Ok(pair) => exemplar.labels.push(pair),
                Err(PairError::NotUtf8) => return Ok(None),
                Err(PairError::Wire(error)) => return Err(error),
            },
            2 => exemplar.value = field.double()?,
            3 => {
                let (mut seconds, mut nanos) = (0_i64, 0_i64);
                let mut parts = Fields::new(field.bytes()?);
                while let Some(part) = parts.next()? {
                    match part.number {
                        1 => seconds = part.int64()?,
                        2 => nanos = part.int64()?,
                        _ => {}
                    }
                }
                exemplar.timestamp_ms = Some(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000));
            }
            _ => {}
        }
    }
    Ok(Some(exemplar))
}

#[expect(clippy::cast_precision_loss, reason = "counts above 2^53 are rounded")]
fn count(field: &Field<'_>) -> Result<f64, WireError> {
    Ok(field.uint64()? as f64)
}

/// One bucket of a classic histogram.
struct Bucket {
    upper: f64,
    count: f64,
    exemplar: Option<PageExemplar>,
}

impl Metric<'_> {
    fn push(&mut self, suffix: &str, bound: Option<(&'static str, f64)>, value: f64, exemplars: Vec<PageExemplar>) {
        let series = self.series(suffix, bound);
        let bound = bound.map(|bound| bound.0);
        let value = if value.is_nan() { f64::NAN } else { value };
        let timestamp_ms = self.timestamp_ms;
        let sample = ProtobufSample { series, bound, value, histogram: None, timestamp_ms, exemplars };
        self.page.samples.push(sample);
    }

    /// Returns the series in the text format.
    fn series(&self, suffix: &str, bound: Option<(&'static str, f64)>) -> String {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // Names in quotes may have any character.
        let mut series = format!("{{\"{}{suffix}\"", escaped(self.name));
        for (name, value) in &self.labels {
            series.push_str(&format!(",\"{}\"=\"{}\"", escaped(name), escaped(value)));
        }
        if let Some((name, value)) = bound {
            let value = if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() };
            series.push_str(&format!(",\"{name}\"=\"{value}\""));
        }
        series + "}"
    }

    /// `Gauge`, `Untyped` and `Counter { double value = 1; Exemplar exemplar = 2; }`.
    fn number(&mut self, message: &[u8]) -> Result<(), WireError> {
        let (mut value, mut exemplars) = (0.0, Vec::new());
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => value = field.double()?,
                2 => exemplars.extend(exemplar(field.bytes()?)?),
                _ => {}
            }
        }
        self.push("", None, value, exemplars);
        Ok(())
    }

    /// `Summary { uint64 sample_count = 1; double sample_sum = 2; repeated Quantile quantile = 3; }`.
    fn summary(&mut self, message: &[u8]) -> Result<(), WireError> {
        let (mut observations, mut sum) = (0.0, 0.0);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => observations = count(&field)?,
                2 => sum = field.double()?,
                3 => {
                    let (mut quantile, mut value) = (0.0, 0.0);
                    let mut parts = Fields::new(field.bytes()?);
                    while let Some(part) = parts.next()? {
                        match part.number {
                            1 => quantile = part.double()?,
                            2 => value = part.double()?,
                            _ => {}
                        }
                    }
                    self.push("", Some(("quantile", quantile)), value, Vec::new());
                }
                _ => {}
            }
        }
        self.push("_count", None, observations, Vec::new());
        self.push("_sum", None, sum, Vec::new());
        Ok(())
    }

    /// A histogram with buckets, spans, or both: then the classic buckets are left out, as in Prometheus.
    fn histogram(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
        let mut native = Histogram::default();
        let mut schema = 0_i64;
        let (mut positive, mut negative) = (Side::default(), Side::default());
        let (mut buckets, mut exemplars) = (Vec::new(), Vec::new());
        let invalid = |problem| ProtobufError::Histogram { name: self.name.to_owned(), problem };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => native.count = count(&field)?,
                4 => native.count = field.double()?,
                2 => native.sum = field.double()?,
                3 => buckets.push(bucket(field.bytes()?)?),
                5 => schema = zigzag(field.uint64()?),
                6 => native.zero_threshold = field.double()?,
                7 => native.zero_count = count(&field)?,
                8 => native.zero_count = field.double()?,
                9 => negative.spans.push(span(field.bytes()?)?),
                10 => varints(&field, &mut negative.deltas)?,
                11 => doubles(&field, &mut negative.counts)?,
                12 => positive.spans.push(span(field.bytes()?)?),
                13 => varints(&field, &mut positive.deltas)?,
                14 => doubles(&field, &mut positive.counts)?,
                16 => exemplars.extend(exemplar(field.bytes()?)?),
                _ => {}
            }
            positive.check().and_then(|()| negative.check()).map_err(invalid)?;
        }
        let is_native = native.zero_threshold > 0.0
            || native.zero_count > 0.0
            || !positive.spans.is_empty()
            || !negative.spans.is_empty();
        if is_native {
            let of_buckets = buckets.into_iter().filter_map(|bucket| bucket.exemplar);
            let all: Vec<PageExemplar> = if exemplars.is_empty() { of_buckets.collect() } else { exemplars };
            native.hint = ResetHint::Unknown;
            let native = finish(native, schema, &positive, &negative, Vec::new()).map_err(invalid)?;
            let series = self.series("", None);
            let histogram = Some(Arc::new(native));
            let timestamp_ms = self.timestamp_ms;
            let sample = ProtobufSample { series, bound: None, value: 0.0, histogram, timestamp_ms, exemplars: all };
            self.page.samples.push(sample);
            return Ok(());
        }
        let (observations, sum) = (native.count, native.sum);
        let has_last = buckets.iter().any(|bucket| bucket.upper == f64::INFINITY);
        for Bucket { upper, count, exemplar } in buckets {
            self.push("_bucket", Some(("le", upper)), count, exemplar.into_iter().collect());
        }
        if !has_last {
            self.push("_bucket", Some(("le", f64::INFINITY)), observations, Vec::new());
        }
        self.push("_count", None, observations, Vec::new());
        self.push("_sum", None, sum, Vec::new());
        Ok(())
    }
}

/// Decodes `Bucket { uint64 cumulative_count = 1; double cumulative_count_float = 4; double upper_bound = 2; Exemplar
/// exemplar = 3; }`.
fn bucket(message: &[u8]) -> Result<Bucket, WireError> {
    let mut bucket = Bucket { upper: 0.0, count: 0.0, exemplar: None };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => bucket.count = count(&field)?,
            2 => bucket.upper = field.double()?,
            3 => bucket.exemplar = exemplar(field.bytes()?)?,
            4 => bucket.count = field.double()?,
            _ => {}
        }
    }
    Ok(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend([number << 3 | 2, u8::try_from(bytes.len()).unwrap()]);
        out.extend_from_slice(bytes);
    }

    fn double_field(number: u8, value: f64, out: &mut Vec<u8>) {
        out.push(number << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }

    /// A page with one family of one histogram.
    fn page(histogram: &[u8]) -> Vec<u8> {
        let (mut label, mut metric, mut family) = (Vec::new(), Vec::new(), Vec::new());
        bytes_field(1, b"job", &mut label);
        bytes_field(2, b"a\"b", &mut label);
        bytes_field(1, &label, &mut metric);
        bytes_field(7, histogram, &mut metric);
        bytes_field(1, b"latency", &mut family);
        family.extend([3 << 3, 4]);
        bytes_field(4, &metric, &mut family);
        let mut page = vec![u8::try_from(family.len()).unwrap()];
        page.extend(family);
        page
    }

    fn classic() -> Vec<u8> {
        let (mut bucket, mut exemplar, mut label, mut histogram) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        bytes_field(1, b"trace_id", &mut label);
        bytes_field(2, b"x", &mut label);
        bytes_field(1, &label, &mut exemplar);
        double_field(2, 0.4, &mut exemplar);
        bytes_field(3, &[8, 10, 16, 0x80, 0xca, 0xb5, 0xee, 1], &mut exemplar);
        bucket.extend([8, 2]);
        double_field(2, 0.5, &mut bucket);
        bytes_field(3, &exemplar, &mut bucket);
        histogram.extend([8, 3]);
        double_field(2, 4.5, &mut histogram);
        bytes_field(3, &bucket, &mut histogram);
        histogram
    }

    #[test]
    fn a_classic_histogram_gives_its_series() {
        let page = decode(&page(&classic()), 100).unwrap();
        let series: Vec<(&str, f64)> = page.samples.iter().map(|one| (one.series.as_str(), one.value)).collect();
        let expected = [
            (r#"{"latency_bucket","job"="a\"b","le"="0.5"}"#, 2.0),
            (r#"{"latency_bucket","job"="a\"b","le"="+Inf"}"#, 3.0),
            (r#"{"latency_count","job"="a\"b"}"#, 3.0),
            (r#"{"latency_sum","job"="a\"b"}"#, 4.5),
        ];
        assert_eq!(series, expected);
        let exemplar = &page.samples[0].exemplars[0];
        assert_eq!((exemplar.value, exemplar.timestamp_ms), (0.4, Some(10_500)));
        assert_eq!(exemplar.labels, [("trace_id".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn spans_make_it_native() {
        let mut histogram = classic();
        // Schema 1 as zigzag, one span from index -1 with two buckets, deltas 2 and -1.
        histogram.extend([5 << 3, 2]);
        bytes_field(12, &[8, 1, 16, 2], &mut histogram);
        bytes_field(13, &[4, 1], &mut histogram);
        let page = decode(&page(&histogram), 100).unwrap();
        assert_eq!(page.samples.len(), 1);
        let native = page.samples[0].histogram.as_ref().unwrap();
        assert_eq!((native.schema, native.count, native.positive.clone()), (1, 3.0, vec![(-1, 2.0), (0, 1.0)]));
        assert_eq!(page.samples[0].series, r#"{"latency","job"="a\"b"}"#);
        assert_eq!(page.samples[0].exemplars.len(), 1);
        histogram.extend([5 << 3, 20]);
        let error = decode(&self::page(&histogram), 100).unwrap_err().to_string();
        assert!(error.starts_with(r#"the native histogram "latency" is invalid: schema 10 is not known"#), "{error}");
    }

    #[test]
    fn broken_pages_are_errors() {
        let whole = page(&classic());
        for end in 1..whole.len() {
            assert!(decode(&whole[..end], 100).is_err(), "{end}");
        }
        assert_eq!(decode(&whole, 2).unwrap_err(), ProtobufError::TooMany { limit: 2 });
        assert_eq!(decode(&[0], 100).unwrap_err(), ProtobufError::NoName { number: 1 });
    }
}
