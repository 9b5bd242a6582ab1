//! Decodes a remote-write 1.0 message.

use std::ops::Range;

use super::{
    WireError,
    contents::{Contents, PartLimits, RawExemplar, RawLabels, RawMetadata, position},
    wire::{Field, Fields, sample},
};
use crate::ingest::limits::COUNTED_LABELS;

/// Fields of `prometheus.WriteRequest` and its messages (prompb/remote.proto and prompb/types.proto).
mod number {
    pub(super) const TIMESERIES: u32 = 1;
    pub(super) const METADATA: u32 = 3;
    /// Symbols and series of a 2.0 message, by which it is recognised.
    pub(super) const OF_V2: std::ops::RangeInclusive<u32> = 4..=5;
    pub(super) const LABELS: u32 = 1;
    pub(super) const SAMPLES: u32 = 2;
    pub(super) const EXEMPLARS: u32 = 3;
    pub(super) const HISTOGRAMS: u32 = 4;
    pub(super) const LABEL_NAME: u32 = 1;
    pub(super) const LABEL_VALUE: u32 = 2;
    pub(super) const METADATA_TYPE: u32 = 1;
    pub(super) const METADATA_NAME: u32 = 2;
    pub(super) const METADATA_HELP: u32 = 4;
    pub(super) const METADATA_UNIT: u32 = 5;
}

/// Decodes a 1.0 message into `out`.
pub(super) fn walk(message: &[u8], out: &mut Contents, limits: &PartLimits) -> Result<(), WireError> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        if field.number == number::TIMESERIES {
            let series = field.bytes()?;
            timeseries(series, field.end - series.len(), out, limits)?;
            out.check(limits)?;
        } else if field.number == number::METADATA {
            let message = field.bytes()?;
            // Malformed metadata are skipped so that the samples are not lost.
            if let Ok(metadata) = metadata(message, field.end - message.len()) {
                out.push_metadata(metadata);
            }
        } else if number::OF_V2.contains(&field.number) {
            return Err(WireError::OtherVersion { declared: "1.0", found: "2.0" });
        }
    }
    Ok(())
}

/// Decodes one `TimeSeries` at `offset` of the message.
fn timeseries(series: &[u8], offset: usize, out: &mut Contents, limits: &PartLimits) -> Result<(), WireError> {
    let mut labels = LabelFields::default();
    let before = out.counts();
    let mut fields = Fields::new(series);
    while let Some(field) = fields.next()? {
        match field.number {
            number::LABELS => labels.add(&field)?,
            number::SAMPLES => {
                let (timestamp_ms, value) = sample(field.bytes()?)?;
                out.timestamps.push(timestamp_ms);
                out.values.push(value);
                out.check_samples(limits)?;
            }
            number::EXEMPLARS => {
                let message = field.bytes()?;
                let exemplar = exemplar(message, offset + field.end - message.len(), out)?;
                out.push_exemplar(exemplar, limits)?;
            }
            number::HISTOGRAMS => out.push_histogram(field.bytes()?, limits)?,
            _ => {}
        }
    }
    if out.has_none_since(before) {
        return Ok(());
    }
    let labels = labels.finish(series, offset, out)?;
    out.push_entry(labels, before);
    Ok(())
}

/// Decodes `Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }` at `offset` of the message.
fn exemplar(message: &[u8], offset: usize, out: &mut Contents) -> Result<RawExemplar, WireError> {
    let mut labels = LabelFields::default();
    let (mut value, mut timestamp_ms) = (0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            number::LABELS => labels.add(&field)?,
            2 => value = field.double()?,
            3 => timestamp_ms = field.int64()?,
            _ => {}
        }
    }
    let labels = labels.finish(message, offset, out)?;
    Ok(RawExemplar { labels, value, timestamp_ms })
}

/// Range of the label fields of a series or an exemplar.
#[derive(Default)]
struct LabelFields {
    range: Range<usize>,
    /// Whether other fields are between them, which no known sender writes.
    is_split: bool,
}

impl LabelFields {
    #[inline]
    fn add(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        field.bytes()?;
        if self.range.is_empty() {
            self.range = field.start..field.end;
        } else {
            self.is_split |= self.range.end != field.start;
            self.range.end = field.end;
        }
        Ok(())
    }

    /// Returns the labels of `message`, which is at `offset` of the request.
    #[inline]
    fn finish(self, message: &[u8], offset: usize, out: &mut Contents) -> Result<RawLabels, WireError> {
        if self.is_split {
            return join(message, out);
        }
        Ok(RawLabels::InMessage(position(offset + self.range.start)..position(offset + self.range.end)))
    }
}

/// Decodes one `MetricMetadata` at `offset` of the message.
fn metadata(message: &[u8], offset: usize) -> Result<RawMetadata, WireError> {
    let mut raw = RawMetadata { number: 0, name: 0..0, help: 0..0, unit: 0..0 };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let text = || {
            let bytes = field.bytes()?;
            Ok(position(offset + field.end - bytes.len())..position(offset + field.end))
        };
        match field.number {
            number::METADATA_TYPE => raw.number = field.uint64()?,
            number::METADATA_NAME => raw.name = text()?,
            number::METADATA_HELP => raw.help = text()?,
            number::METADATA_UNIT => raw.unit = text()?,
            _ => {}
        }
    }
    Ok(raw)
}

/// Concatenates label fields with other fields between them. No known sender writes this, but protobuf allows it.
#[cold]
fn join(series: &[u8], out: &mut Contents) -> Result<RawLabels, WireError> {
    let start = position(out.joined.len());
    let mut fields = Fields::new(series);
    while let Some(field) = fields.next()? {
        if field.number == number::LABELS {
            out.joined.extend_from_slice(&series[field.start..field.end]);
        }
    }
    Ok(RawLabels::Joined(start..position(out.joined.len())))
}

/// Decodes label fields, up to one more than are counted: `repeated Label labels = 1` with `Label { string name = 1; string value = 2; }`.
pub(super) fn labels<'a>(fields: &'a [u8], out: &mut Vec<(&'a [u8], &'a [u8])>) -> Result<(), WireError> {
    let mut fields = Fields::new(fields);
    while let Some(field) = fields.next()? {
        let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
        let mut label = Fields::new(field.bytes()?);
        while let Some(part) = label.next()? {
            match part.number {
                number::LABEL_NAME => name = part.bytes()?,
                number::LABEL_VALUE => value = part.bytes()?,
                _ => {}
            }
        }
        out.push((name, value));
        // The series is refused for its number of labels; the others are not needed.
        if out.len() > COUNTED_LABELS {
            break;
        }
    }
    Ok(())
}
