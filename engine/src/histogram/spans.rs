//! Spans: runs of neighbouring buckets, by which Prometheus' messages give the indices of buckets.

use super::{Buckets, HistogramError, MAX_BUCKETS};

/// A run of neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Distance from the end of the run before it; of the first run its first index.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// Returns the buckets of spans and their counts. Empty buckets are left out.
///
/// # Errors
/// [`HistogramError::TooMany`], [`HistogramError::Length`], [`HistogramError::Offset`].
pub fn from_spans(spans: &[Span], counts: &[f64]) -> Result<Buckets, HistogramError> {
    if counts.len().max(spans.len()) > MAX_BUCKETS {
        return Err(HistogramError::TooMany { buckets: counts.len().max(spans.len()) });
    }
    let length: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if length != counts.len() as u64 {
        return Err(HistogramError::Length { spans: length, buckets: counts.len() });
    }
    let mut buckets = Vec::with_capacity(counts.len());
    let mut counts = counts.iter();
    let mut next = 0_i64;
    for (number, span) in spans.iter().enumerate() {
        let wrong = HistogramError::Offset { span: number + 1, offset: span.offset };
        if number > 0 && span.offset < 0 {
            return Err(wrong);
        }
        next += i64::from(span.offset);
        for _ in 0..span.length {
            // Two below the ends, so that the index of a neighbour and of a wider bucket is an index too.
            let index = i32::try_from(next).ok().filter(|index| index.unsigned_abs() < i32::MAX.unsigned_abs() - 2);
            let (Some(index), Some(count)) = (index, counts.next()) else { return Err(wrong) };
            if *count != 0.0 {
                buckets.push((index, *count));
            }
            next += 1;
        }
    }
    Ok(buckets)
}

/// Returns the spans and the counts of buckets.
#[must_use]
pub fn to_spans(buckets: &Buckets) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for &(index, _) in buckets {
        match spans.last_mut() {
            Some(last) if index == next => last.length += 1,
            _ => spans.push(Span { offset: index.wrapping_sub(next), length: 1 }),
        }
        next = index.wrapping_add(1);
    }
    (spans, buckets.iter().map(|bucket| bucket.1).collect())
}
