//! Decodes messages `io.prometheus.client.MetricFamily`, each after its length.

use std::sync::Arc;

use super::{
    exemplar::{PairError, pair},
    page::{Family, PageLimits, ProtobufError, ProtobufPage, ProtobufSample},
};
use crate::{
    histogram::{Histogram, ResetHint},
    ingest::{
        limits::COUNTED_LABELS,
        remote_write::{
            WireError,
            histogram::{Side, count, doubles, finish, span, varints, zigzag},
            wire::{Field, Fields},
        },
        text::PageExemplar,
    },
    store::rows::MetricType,
};

/// Decodes a page.
///
/// # Errors
/// [`ProtobufError`]: a malformed message, an invalid histogram, more than the limits.
pub(crate) fn decode(body: &[u8], limits: PageLimits) -> Result<ProtobufPage, ProtobufError> {
    let mut page = ProtobufPage::new(limits);
    let mut rest = Fields::new(body);
    let mut number = 0;
    while !rest.is_done() {
        number += 1;
        let length = usize::try_from(rest.varint()?).map_err(|_| WireError::Truncated)?;
        family(rest.take(length)?, number, &mut page)?;
    }
    Ok(page)
}

fn family(message: &[u8], number: usize, page: &mut ProtobufPage) -> Result<(), ProtobufError> {
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
            4 => {
                metrics.push(field.bytes()?);
                page.check(page.samples.len() + metrics.len())?;
            }
            5 => family.unit = text(field.bytes()?)?,
            _ => {}
        }
    }
    if family.name.is_empty() {
        return Err(ProtobufError::NoName { number });
    }
    for message in metrics {
        metric(message, &family.name, number, page)?;
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
            // Further labels are not kept: the series is refused for their number.
            1 if metric.labels.len() <= COUNTED_LABELS => {
                metric.labels.push(pair(field.bytes()?).map_err(|error| match error {
                    PairError::Wire(error) => error.into(),
                    PairError::NotUtf8 => ProtobufError::NotUtf8 { number },
                })?);
            }
            6 => metric.timestamp_ms = Some(field.int64()?),
            2..=5 | 7 => {
                values.push(field);
                metric.page.check(values.len())?;
            }
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

/// One bucket of a classic histogram.
struct Bucket {
    upper: f64,
    count: f64,
    exemplars: Vec<PageExemplar>,
}

impl Metric<'_> {
    fn push(
        &mut self,
        suffix: &str,
        bound: Option<(&'static str, f64)>,
        value: f64,
        exemplars: Vec<PageExemplar>,
    ) -> Result<(), ProtobufError> {
        let series = self.series(suffix, bound);
        let bound = bound.map(|bound| bound.0);
        let value = if value.is_nan() { f64::NAN } else { value };
        let timestamp_ms = self.timestamp_ms;
        self.page.add(ProtobufSample { series, bound, value, histogram: None, timestamp_ms, exemplars })
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
    fn number(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
        let (mut value, mut exemplars) = (0.0, Vec::new());
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => value = field.double()?,
                2 => self.page.exemplar(field.bytes()?, &mut exemplars)?,
                _ => {}
            }
        }
        self.push("", None, value, exemplars)
    }

    /// `Summary { uint64 sample_count = 1; double sample_sum = 2; repeated Quantile quantile = 3; }`.
    fn summary(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
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
                    self.push("", Some(("quantile", quantile)), value, Vec::new())?;
                }
                _ => {}
            }
        }
        self.push("_count", None, observations, Vec::new())?;
        self.push("_sum", None, sum, Vec::new())
    }

    /// A histogram with buckets, spans, or both: then the classic buckets are left out, as in Prometheus.
    fn histogram(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
        let mut native = Histogram::default();
        let mut schema = 0_i64;
        let (mut positive, mut negative) = (Side::default(), Side::default());
        let (mut buckets, mut exemplars) = (Vec::new(), Vec::new());
        let name = self.name;
        let invalid = |problem| ProtobufError::Histogram { name: name.to_owned(), problem };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => native.count = count(&field)?,
                4 => native.count = field.double()?,
                2 => native.sum = field.double()?,
                3 => {
                    buckets.push(self.bucket(field.bytes()?)?);
                    self.page.check(buckets.len())?;
                }
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
                16 => self.page.exemplar(field.bytes()?, &mut exemplars)?,
                _ => {}
            }
            positive.check().and_then(|()| negative.check()).map_err(invalid)?;
        }
        let is_native = native.zero_threshold > 0.0
            || native.zero_count > 0.0
            || !positive.spans.is_empty()
            || !negative.spans.is_empty();
        if is_native {
            let of_buckets = buckets.into_iter().flat_map(|bucket| bucket.exemplars);
            let all: Vec<PageExemplar> = if exemplars.is_empty() { of_buckets.collect() } else { exemplars };
            native.hint = ResetHint::Unknown;
            let native = finish(native, schema, &positive, &negative, Vec::new()).map_err(invalid)?;
            let series = self.series("", None);
            let histogram = Some(Arc::new(native));
            let timestamp_ms = self.timestamp_ms;
            let sample = ProtobufSample { series, bound: None, value: 0.0, histogram, timestamp_ms, exemplars: all };
            return self.page.add(sample);
        }
        let (observations, sum) = (native.count, native.sum);
        let has_last = buckets.iter().any(|bucket| bucket.upper == f64::INFINITY);
        for Bucket { upper, count, exemplars } in buckets {
            self.push("_bucket", Some(("le", upper)), count, exemplars)?;
        }
        if !has_last {
            self.push("_bucket", Some(("le", f64::INFINITY)), observations, Vec::new())?;
        }
        self.push("_count", None, observations, Vec::new())?;
        self.push("_sum", None, sum, Vec::new())
    }

    /// Decodes `Bucket { uint64 cumulative_count = 1; double cumulative_count_float = 4; double upper_bound = 2; Exemplar
    /// exemplar = 3; }`.
    fn bucket(&mut self, message: &[u8]) -> Result<Bucket, WireError> {
        let mut bucket = Bucket { upper: 0.0, count: 0.0, exemplars: Vec::new() };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => bucket.count = count(&field)?,
                2 => bucket.upper = field.double()?,
                3 => self.page.exemplar(field.bytes()?, &mut bucket.exemplars)?,
                4 => bucket.count = field.double()?,
                _ => {}
            }
        }
        Ok(bucket)
    }
}
