//! Parses native histograms of scripts: `{{schema:0 count:3 sum:5 buckets:[1 2]}}`, and series of them.

use std::sync::Arc;

use almanac_engine::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint};

use super::values::number;

/// A histogram, and whether its hint about resets is given.
pub(crate) type Written = (Arc<Histogram>, bool);

/// Parses `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`, `{{…}}-{{…}}x3`.
pub(crate) fn histograms(item: &str) -> Option<Vec<Written>> {
    let (first, rest) = literal(item)?;
    if rest.is_empty() {
        return Some(vec![(Arc::new(first.0), first.1)]);
    }
    if let Some(times) = rest.strip_prefix('x') {
        let times: usize = times.parse().ok()?;
        return Some(vec![(Arc::new(first.0), first.1); times + 1]);
    }
    let adds = rest.starts_with('+');
    let (step, rest) = literal(&rest[1..])?;
    let times: usize = rest.strip_prefix('x')?.parse().ok()?;
    let mut all = vec![(Arc::new(first.0.clone()), first.1)];
    let mut current = first.0;
    for _ in 0..times {
        if adds { current.add(&step.0) } else { current.sub(&step.0) }.ok()?;
        all.push((Arc::new(current.clone()), step.1));
    }
    Some(all)
}

/// Parses one `{{…}}`; returns it with the text after it.
fn literal(text: &str) -> Option<((Histogram, bool), &str)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let rest = &inner[end + 2..];
    let mut histogram = Histogram::default();
    let (mut offset, mut negative_offset, mut has_hint) = (0, 0, false);
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let mut left = inner[..end].trim();
    while !left.is_empty() {
        let (key, value) = left.split_once(':')?;
        let until = if value.starts_with('[') { value.find(']')? + 1 } else { value.find(' ').unwrap_or(value.len()) };
        let (value, after) = value.split_at(until);
        left = after.trim();
        let list = || -> Option<Vec<f64>> { value.trim_matches(['[', ']']).split_whitespace().map(number).collect() };
        match key {
            "schema" => histogram.schema = value.parse().ok()?,
            "sum" => histogram.sum = number(value)?,
            "count" => histogram.count = number(value)?,
            "z_bucket" => histogram.zero_count = number(value)?,
            "z_bucket_w" => histogram.zero_threshold = number(value)?,
            "custom_values" => histogram.custom = list()?.into(),
            "buckets" => positive = list()?,
            "n_buckets" => negative = list()?,
            "offset" => offset = value.parse().ok()?,
            "n_offset" => negative_offset = value.parse().ok()?,
            "counter_reset_hint" => {
                has_hint = true;
                histogram.hint = match value {
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                };
            }
            _ => return None,
        }
    }
    let buckets =
        |counts: Vec<f64>, first: i32| -> Buckets { (first..).zip(counts).filter(|bucket| bucket.1 != 0.0).collect() };
    histogram.positive = buckets(positive, offset);
    histogram.negative = buckets(negative, negative_offset);
    Some(((histogram, has_hint), rest))
}

/// Builds a histogram with custom buckets from the cumulative counts of classic ones: bound and count of each bucket, all
/// observations, and their sum. `None` if the counts fall or do not fit.
pub(crate) fn from_classic(buckets: &[(f64, f64)], count: Option<f64>, sum: f64) -> Option<Histogram> {
    let mut sorted = buckets.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted.dedup_by(|a, b| a.0.to_bits() == b.0.to_bits());
    let count = count.or(sorted.last().map(|last| last.1)).unwrap_or(0.0);
    if sorted.last().is_none_or(|last| last.0 != f64::INFINITY) {
        sorted.push((f64::INFINITY, count));
    }
    let mut before = 0.0;
    let mut positive = Buckets::new();
    for (index, (_, cumulative)) in (0..).zip(&sorted) {
        if *cumulative < before {
            return None;
        }
        if *cumulative > before {
            positive.push((index, cumulative - before));
        }
        before = *cumulative;
    }
    if before.to_bits() != count.to_bits() {
        return None;
    }
    sorted.pop();
    let custom = sorted.into_iter().map(|bucket| bucket.0).collect();
    Some(Histogram { schema: CUSTOM_SCHEMA, count, sum, positive, custom, ..Histogram::default() })
}
