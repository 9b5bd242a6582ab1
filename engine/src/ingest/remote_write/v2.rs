//! Decodes a remote-write 2.0 message.

use super::{
    WireError,
    contents::{Contents, PartLimits, RawExemplar, RawLabels, RawMetadata, position},
    wire::{Field, Fields, Value, sample},
};
use crate::{ingest::limits::COUNTED_LABELS, series::METRIC_NAME};

/// Fields of `io.prometheus.write.v2.Request` and its messages
/// (prompb/io/prometheus/write/v2/types.proto).
mod number {
    /// Reserved in 2.0, so that a 1.0 message is recognised.
    pub(super) const OF_V1: std::ops::RangeInclusive<u32> = 1..=3;
    pub(super) const SYMBOLS: u32 = 4;
    pub(super) const TIMESERIES: u32 = 5;
    pub(super) const LABELS_REFS: u32 = 1;
    pub(super) const SAMPLES: u32 = 2;
    pub(super) const HISTOGRAMS: u32 = 3;
    pub(super) const EXEMPLARS: u32 = 4;
    pub(super) const METADATA: u32 = 5;
    pub(super) const METADATA_TYPE: u32 = 1;
    pub(super) const METADATA_HELP: u32 = 3;
    pub(super) const METADATA_UNIT: u32 = 4;
}

/// Decodes a 2.0 message into `out`; start timestamps are skipped.
pub(super) fn walk(message: &[u8], out: &mut Contents, limits: &PartLimits) -> Result<(), WireError> {
    let mut declared = Vec::new();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            number::SYMBOLS => {
                let symbol = field.bytes()?;
                out.symbols.push(position(field.end - symbol.len())..position(field.end));
                out.check(limits)?;
            }
            number::TIMESERIES => {
                timeseries(field.bytes()?, out, &mut declared, limits)?;
                out.check(limits)?;
            }
            other if number::OF_V1.contains(&other) => {
                return Err(WireError::OtherVersion { declared: "2.0", found: "1.0" });
            }
            _ => {}
        }
    }
    if out.entries.is_empty() {
        return Ok(());
    }
    if out.symbols.first().is_none_or(|first| !first.is_empty()) {
        return Err(WireError::Symbols);
    }
    // Symbols may follow the series that refer to them, so references are checked at the end.
    match out.references.iter().find(|&&reference| reference as usize >= out.symbols.len()) {
        Some(&reference) => Err(WireError::Reference { reference: u64::from(reference), symbols: out.symbols.len() }),
        None => {
            resolve_metadata(message, &declared, out);
            Ok(())
        }
    }
}

/// Metadata of one series: number of the type, and symbol references.
#[derive(Debug, Default, PartialEq, Eq)]
struct SeriesMetadata {
    number: u64,
    help: u32,
    unit: u32,
    /// Range of the series' label references.
    references: std::ops::Range<usize>,
}

/// Resolves the metric name of each metadata. Consecutive series of one metric give one entry. Metadata with invalid
/// references are skipped so that the samples are not lost.
fn resolve_metadata(message: &[u8], declared: &[SeriesMetadata], out: &mut Contents) {
    let text = |symbol: &std::ops::Range<u32>| &message[symbol.start as usize..symbol.end as usize];
    let Some(name_label) = out.symbols.iter().position(|symbol| text(symbol) == METRIC_NAME.as_bytes()) else {
        return;
    };
    for one in declared {
        let symbol = |reference: u32| out.symbols.get(reference as usize).cloned();
        let mut pairs = out.references[one.references.clone()].chunks_exact(2);
        let name = pairs.find(|pair| pair[0] as usize == name_label).map(|pair| pair[1]);
        let (Some(name), Some(help), Some(unit)) = (name.and_then(symbol), symbol(one.help), symbol(one.unit)) else {
            continue;
        };
        let raw = RawMetadata { number: one.number, name, help, unit };
        if out.metadata.last() != Some(&raw) {
            out.push_metadata(raw);
        }
    }
}

fn metadata(message: &[u8]) -> Result<SeriesMetadata, WireError> {
    let mut metadata = SeriesMetadata::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let symbol = || u32::try_from(field.uint64()?).map_err(|_| WireError::Type { field: field.number });
        match field.number {
            number::METADATA_TYPE => metadata.number = field.uint64()?,
            number::METADATA_HELP => metadata.help = symbol()?,
            number::METADATA_UNIT => metadata.unit = symbol()?,
            _ => {}
        }
    }
    Ok(metadata)
}

fn timeseries(
    series: &[u8],
    out: &mut Contents,
    declared: &mut Vec<SeriesMetadata>,
    limits: &PartLimits,
) -> Result<(), WireError> {
    let mut of_series = None;
    let mut exemplars: Vec<&[u8]> = Vec::new();
    let mut count = 0;
    let before = out.counts();
    let first_reference = out.references.len();
    let mut fields = Fields::new(series);
    while let Some(field) = fields.next()? {
        match field.number {
            number::LABELS_REFS => references(&field, &mut count, out)?,
            number::SAMPLES => {
                let (timestamp_ms, value) = sample(field.bytes()?)?;
                out.timestamps.push(timestamp_ms);
                out.values.push(value);
                out.check_samples(limits)?;
            }
            number::HISTOGRAMS => out.push_histogram(field.bytes()?, limits)?,
            // Their references follow those of the series, which are complete only at the end.
            number::EXEMPLARS => exemplars.push(field.bytes()?),
            number::METADATA => of_series = metadata(field.bytes()?).ok(),
            _ => {}
        }
    }
    if !count.is_multiple_of(2) {
        return Err(WireError::OddReferences { count });
    }
    if let Some(mut metadata) = of_series.filter(|metadata| *metadata != SeriesMetadata::default()) {
        metadata.references = first_reference..out.references.len();
        if declared.len() < limits.series() {
            declared.push(metadata);
        }
    }
    let labels = RawLabels::References(position(first_reference)..position(out.references.len()));
    for message in exemplars {
        let exemplar = exemplar(message, out)?;
        out.push_exemplar(exemplar, limits)?;
    }
    if !out.has_none_since(before) {
        out.push_entry(labels, before);
    }
    Ok(())
}

/// Decodes `Exemplar { repeated uint32 labels_refs = 1; double value = 2; int64 timestamp = 3; }`.
fn exemplar(message: &[u8], out: &mut Contents) -> Result<RawExemplar, WireError> {
    let (first, mut count) = (out.references.len(), 0);
    let (mut value, mut timestamp_ms) = (0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            number::LABELS_REFS => references(&field, &mut count, out)?,
            2 => value = field.double()?,
            3 => timestamp_ms = field.int64()?,
            _ => {}
        }
    }
    if !count.is_multiple_of(2) {
        return Err(WireError::OddReferences { count });
    }
    let labels = RawLabels::References(position(first)..position(out.references.len()));
    Ok(RawExemplar { labels, value, timestamp_ms })
}

/// Adds the label references of a field, packed or not.
fn references(field: &Field<'_>, count: &mut usize, out: &mut Contents) -> Result<(), WireError> {
    match field.value {
        Value::Bytes(packed) => {
            let mut numbers = Fields::new(packed);
            while !numbers.is_done() {
                reference(numbers.varint()?, count, out)?;
            }
            Ok(())
        }
        Value::Varint(number) => reference(number, count, out),
        _ => Err(WireError::Type { field: field.number }),
    }
}

/// Adds a label reference of a series that has `count` of them. References beyond the counted labels are not kept: the
/// series is refused for its number of labels.
#[inline]
fn reference(number: u64, count: &mut usize, out: &mut Contents) -> Result<(), WireError> {
    let reference =
        u32::try_from(number).map_err(|_| WireError::Reference { reference: number, symbols: out.symbols.len() })?;
    if *count < 2 * (COUNTED_LABELS + 1) {
        out.references.push(reference);
    }
    *count += 1;
    Ok(())
}
