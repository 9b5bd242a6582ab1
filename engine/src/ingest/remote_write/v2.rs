use super::{
    Entry, WireError,
    request::{RawLabels, Request, position},
    wire::{Fields, Value, sample},
};

/// Fields of `io.prometheus.write.v2.Request` and its messages
/// (prompb/io/prometheus/write/v2/types.proto).
mod number {
    /// Reserved, so that a 1.0 message is known.
    pub(super) const OF_V1: std::ops::RangeInclusive<u32> = 1..=3;
    pub(super) const SYMBOLS: u32 = 4;
    pub(super) const TIMESERIES: u32 = 5;
    pub(super) const LABELS_REFS: u32 = 1;
    pub(super) const SAMPLES: u32 = 2;
    pub(super) const HISTOGRAMS: u32 = 3;
    pub(super) const EXEMPLARS: u32 = 4;
}

/// Walks a 2.0 message; metadata and start timestamps are stepped over.
pub(super) fn walk(message: &[u8], out: &mut Request) -> Result<(), WireError> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            number::SYMBOLS => {
                let symbol = field.bytes()?;
                out.symbols.push(position(field.end - symbol.len())..position(field.end));
            }
            number::TIMESERIES => timeseries(field.bytes()?, out)?,
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
    // Symbols may stand behind the series that refer to them, so references are checked at the end.
    match out.references.iter().find(|&&reference| reference as usize >= out.symbols.len()) {
        Some(&reference) => Err(WireError::Reference { reference: u64::from(reference), symbols: out.symbols.len() }),
        None => Ok(()),
    }
}

fn timeseries(series: &[u8], out: &mut Request) -> Result<(), WireError> {
    let first_sample = out.timestamps.len();
    let first_reference = out.references.len();
    let mut fields = Fields::new(series);
    while let Some(field) = fields.next()? {
        match field.number {
            number::LABELS_REFS => match field.value {
                Value::Bytes(packed) => {
                    let mut numbers = Fields::new(packed);
                    while !numbers.is_done() {
                        reference(numbers.varint()?, out)?;
                    }
                }
                Value::Varint(number) => reference(number, out)?,
                _ => return Err(WireError::Type { field: field.number }),
            },
            number::SAMPLES => {
                let (timestamp_ms, value) = sample(field.bytes()?)?;
                out.timestamps.push(timestamp_ms);
                out.values.push(value);
            }
            number::HISTOGRAMS => out.histograms += 1,
            number::EXEMPLARS => out.exemplars += 1,
            _ => {}
        }
    }
    let count = out.references.len() - first_reference;
    if !count.is_multiple_of(2) {
        return Err(WireError::OddReferences { count });
    }
    let samples = position(out.timestamps.len() - first_sample);
    if samples > 0 {
        let labels = RawLabels::References(position(first_reference)..position(out.references.len()));
        out.entries.push(Entry { labels, samples });
    }
    Ok(())
}

#[inline]
fn reference(number: u64, out: &mut Request) -> Result<(), WireError> {
    let reference =
        u32::try_from(number).map_err(|_| WireError::Reference { reference: number, symbols: out.symbols.len() })?;
    out.references.push(reference);
    Ok(())
}
