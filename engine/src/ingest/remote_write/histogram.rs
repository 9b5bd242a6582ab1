//! Decodes native histograms of both versions, and their exemplars' numbers.

use super::{
    WireError,
    wire::{Field, Fields, Value},
};
use crate::{
    histogram::{Histogram, HistogramError, MAX_BUCKETS, ResetHint, Span, from_spans},
    series::is_stale,
};

/// Fields of `prometheus.Histogram` and `io.prometheus.write.v2.Histogram`, the same in both (types.proto).
mod number {
    pub(super) const COUNT_INT: u32 = 1;
    pub(super) const COUNT_FLOAT: u32 = 2;
    pub(super) const SUM: u32 = 3;
    pub(super) const SCHEMA: u32 = 4;
    pub(super) const ZERO_THRESHOLD: u32 = 5;
    pub(super) const ZERO_COUNT_INT: u32 = 6;
    pub(super) const ZERO_COUNT_FLOAT: u32 = 7;
    pub(super) const NEGATIVE_SPANS: u32 = 8;
    pub(super) const NEGATIVE_DELTAS: u32 = 9;
    pub(super) const NEGATIVE_COUNTS: u32 = 10;
    pub(super) const POSITIVE_SPANS: u32 = 11;
    pub(super) const POSITIVE_DELTAS: u32 = 12;
    pub(super) const POSITIVE_COUNTS: u32 = 13;
    pub(super) const RESET_HINT: u32 = 14;
    pub(super) const TIMESTAMP: u32 = 15;
    pub(super) const CUSTOM_VALUES: u32 = 16;
}

/// A decoded histogram.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded {
    /// A valid histogram.
    Histogram(Histogram),
    /// The end of the series: the sum is the stale marker.
    Stale,
    /// A histogram that cannot be stored.
    Invalid(HistogramError),
}

/// One side of the buckets, as spans and deltas or counts.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) spans: Vec<Span>,
    pub(crate) deltas: Vec<i64>,
    pub(crate) counts: Vec<f64>,
}

impl Side {
    /// Returns the buckets. Integer histograms have deltas to the count before, float histograms counts.
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 are rounded")]
    pub(crate) fn buckets(&self) -> Result<Vec<(i32, f64)>, HistogramError> {
        if self.counts.is_empty() {
            let mut count = 0_i64;
            let counts: Vec<f64> = self
                .deltas
                .iter()
                .map(|delta| {
                    count = count.saturating_add(*delta);
                    count as f64
                })
                .collect();
            return from_spans(&self.spans, &counts);
        }
        if self.deltas.is_empty() { from_spans(&self.spans, &self.counts) } else { Err(HistogramError::Mixed) }
    }

    /// Rejects more parts than a histogram may have, so that the memory is bounded.
    pub(crate) fn check(&self) -> Result<(), HistogramError> {
        let buckets = self.spans.len().max(self.deltas.len()).max(self.counts.len());
        if buckets > MAX_BUCKETS { Err(HistogramError::TooMany { buckets }) } else { Ok(()) }
    }
}

/// Decodes a histogram and its timestamp in epoch milliseconds.
///
/// # Errors
/// [`WireError`] if the message is malformed.
pub(crate) fn decode(message: &[u8]) -> Result<(i64, Decoded), WireError> {
    let mut histogram = Histogram::default();
    let (mut timestamp_ms, mut schema) = (0, 0_i64);
    let (mut positive, mut negative, mut custom) = (Side::default(), Side::default(), Vec::new());
    let mut wrong = None;
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            number::COUNT_INT => histogram.count = count(&field)?,
            number::COUNT_FLOAT => histogram.count = field.double()?,
            number::SUM => histogram.sum = field.double()?,
            number::SCHEMA => schema = zigzag(field.uint64()?),
            number::ZERO_THRESHOLD => histogram.zero_threshold = field.double()?,
            number::ZERO_COUNT_INT => histogram.zero_count = count(&field)?,
            number::ZERO_COUNT_FLOAT => histogram.zero_count = field.double()?,
            number::NEGATIVE_SPANS => negative.spans.push(span(field.bytes()?)?),
            number::NEGATIVE_DELTAS => varints(&field, &mut negative.deltas)?,
            number::NEGATIVE_COUNTS => doubles(&field, &mut negative.counts)?,
            number::POSITIVE_SPANS => positive.spans.push(span(field.bytes()?)?),
            number::POSITIVE_DELTAS => varints(&field, &mut positive.deltas)?,
            number::POSITIVE_COUNTS => doubles(&field, &mut positive.counts)?,
            number::RESET_HINT => histogram.hint = ResetHint::from_number(field.uint64()?),
            number::TIMESTAMP => timestamp_ms = field.int64()?,
            number::CUSTOM_VALUES => doubles(&field, &mut custom)?,
            _ => {}
        }
        if wrong.is_none() {
            wrong = positive.check().and_then(|()| negative.check()).err();
        }
        if wrong.is_none() && custom.len() > MAX_BUCKETS {
            wrong = Some(HistogramError::TooMany { buckets: custom.len() });
        }
        if wrong.is_some() {
            // The timestamp may follow, the buckets are not needed.
            (positive, negative) = (Side::default(), Side::default());
            custom.clear();
        }
    }
    if is_stale(histogram.sum) {
        return Ok((timestamp_ms, Decoded::Stale));
    }
    let finished = match wrong {
        Some(error) => Err(error),
        None => finish(histogram, schema, &positive, &negative, custom),
    };
    Ok((timestamp_ms, finished.map_or_else(Decoded::Invalid, Decoded::Histogram)))
}

/// Puts the parts of a histogram together and checks it.
pub(crate) fn finish(
    mut histogram: Histogram,
    schema: i64,
    positive: &Side,
    negative: &Side,
    custom: Vec<f64>,
) -> Result<Histogram, HistogramError> {
    histogram.schema = i8::try_from(schema).map_err(|_| HistogramError::Schema { schema })?;
    histogram.positive = positive.buckets()?;
    histogram.negative = negative.buckets()?;
    histogram.custom = custom.into();
    histogram.check()?;
    Ok(histogram)
}

#[expect(clippy::cast_precision_loss, reason = "counts above 2^53 are rounded")]
pub(crate) fn count(field: &Field<'_>) -> Result<f64, WireError> {
    Ok(field.uint64()? as f64)
}

/// Decodes `sint32` or `sint64`: the sign is the lowest bit.
#[expect(clippy::cast_possible_wrap, reason = "the highest bit is shifted out")]
pub(crate) fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Decodes `BucketSpan { sint32 offset = 1; uint32 length = 2; }`.
pub(crate) fn span(message: &[u8]) -> Result<Span, WireError> {
    let mut span = Span::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let wrong = WireError::Type { field: field.number };
        match field.number {
            1 => span.offset = i32::try_from(zigzag(field.uint64()?)).map_err(|_| wrong)?,
            2 => span.length = u32::try_from(field.uint64()?).map_err(|_| wrong)?,
            _ => {}
        }
    }
    Ok(span)
}

/// Decodes a repeated `sint64`, packed or not. Numbers beyond the limit of a histogram are counted by one more only.
pub(crate) fn varints(field: &Field<'_>, out: &mut Vec<i64>) -> Result<(), WireError> {
    match field.value {
        Value::Varint(number) => out.push(zigzag(number)),
        Value::Bytes(packed) => {
            let mut numbers = Fields::new(packed);
            while !numbers.is_done() && out.len() <= MAX_BUCKETS {
                out.push(zigzag(numbers.varint()?));
            }
        }
        _ => return Err(WireError::Type { field: field.number }),
    }
    Ok(())
}

/// Decodes a repeated `double`, packed or not, with the same limit.
pub(crate) fn doubles(field: &Field<'_>, out: &mut Vec<f64>) -> Result<(), WireError> {
    match field.value {
        Value::Fixed64(bits) => out.push(f64::from_bits(bits)),
        Value::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(WireError::Truncated);
            }
            out.extend(numbers.iter().take(MAX_BUCKETS + 1).map(|bytes| f64::from_le_bytes(*bytes)));
        }
        _ => return Err(WireError::Type { field: field.number }),
    }
    Ok(())
}
