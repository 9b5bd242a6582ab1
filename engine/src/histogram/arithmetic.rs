//! Sums, differences and multiples of histograms. Schemas, zero buckets and custom bounds that differ are reconciled.

use std::sync::Arc;

use super::{Buckets, Histogram, ResetHint, bound};

/// Error of an operation on a histogram with exponential and one with custom buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and with custom buckets cannot be combined")]
pub struct IncompatibleSchemas;

/// What a sum or difference had to reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Combined {
    /// One histogram says that its counter was reset, the other that it was not.
    pub collides: bool,
    /// The custom bounds differed: only those of both are kept.
    pub reconciled: bool,
}

impl Histogram {
    /// Adds another histogram.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]: this histogram is not changed.
    pub fn add(&mut self, other: &Self) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]: this histogram is not changed.
    pub fn sub(&mut self, other: &Self) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, -1.0)
    }

    /// Multiplies all counts and the sum. A negative factor makes it a gauge.
    pub fn scale(&mut self, factor: f64) {
        self.change(|value| value * factor);
        if factor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
        self.compact();
    }

    /// Divides all counts and the sum. Division by zero removes the buckets.
    pub fn divide(&mut self, by: f64) {
        if by == 0.0 {
            self.positive.clear();
            self.negative.clear();
        }
        self.change(|value| value / by);
        if by < 0.0 {
            self.hint = ResetHint::Gauge;
        }
        self.compact();
    }

    fn change(&mut self, change: impl Fn(f64) -> f64) {
        for value in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *value = change(*value);
        }
        self.positive.iter_mut().chain(&mut self.negative).for_each(|bucket| bucket.1 = change(bucket.1));
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<Combined, IncompatibleSchemas> {
        if self.is_custom() != other.is_custom() {
            return Err(IncompatibleSchemas);
        }
        let collides = self.take_hint(other.hint);
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        let reconciled = self.is_custom() && self.custom != other.custom;
        if reconciled {
            let common = common_bounds(&self.custom, &other.custom);
            let own = rebound(&self.positive, &self.custom, &common);
            let others = rebound(&other.positive, &other.custom, &common);
            self.positive = merged(&own, &others, sign);
            self.custom = common;
        } else if self.is_custom() {
            self.positive = merged(&self.positive, &other.positive, sign);
        } else {
            // First, because it may widen the own zero bucket.
            let zero_count = self.reconcile_zero(other);
            self.zero_count += sign * zero_count;
            let schema = self.schema.min(other.schema);
            *self = std::mem::take(self).with_schema(schema);
            let width = self.zero_threshold;
            let beyond = |buckets: &Buckets| -> Buckets {
                let mut buckets = reduced(buckets, other.schema, schema);
                buckets.retain(|bucket| !(width > 0.0 && bound(bucket.0, schema, &[]) <= width));
                buckets
            };
            self.positive = merged(&self.positive, &beyond(&other.positive), sign);
            self.negative = merged(&self.negative, &beyond(&other.negative), sign);
        }
        self.compact();
        Ok(Combined { collides, reconciled })
    }

    /// Merges the hint of another histogram. Returns whether the hints contradict each other.
    pub(crate) fn take_hint(&mut self, other: ResetHint) -> bool {
        use ResetHint::{Gauge, Unknown};
        let own = self.hint;
        self.hint = match (own, other) {
            (own, other) if own == other => own,
            (Gauge, _) | (_, Gauge) => Gauge,
            _ => Unknown,
        };
        own != other && ![own, other].iter().any(|hint| matches!(hint, Gauge | Unknown))
    }
}

/// Returns the buckets at a lower schema: neighbours are added up.
pub(crate) fn reduced(buckets: &Buckets, from: i8, to: i8) -> Buckets {
    if to >= from {
        return buckets.clone();
    }
    let shift = u32::from(from.abs_diff(to));
    let mut all: Buckets = Vec::with_capacity(buckets.len());
    for &(index, count) in buckets {
        let index = (index.wrapping_sub(1) >> shift).wrapping_add(1);
        match all.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => all.push((index, count)),
        }
    }
    all
}

/// Returns the sum of two lists of buckets, the second multiplied by `sign`.
fn merged(a: &Buckets, b: &Buckets, sign: f64) -> Buckets {
    let mut all = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                all.push((x.0, x.1 + sign * y.1));
                a.next();
                b.next();
            }
            (Some(x), Some(y)) if x.0 < y.0 => {
                all.push(**x);
                a.next();
            }
            (Some(x), None) => {
                all.push(**x);
                a.next();
            }
            (_, Some(y)) => {
                all.push((y.0, sign * y.1));
                b.next();
            }
            (None, None) => return all,
        }
    }
}

/// Returns the bounds that are in both lists.
pub(crate) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    a.iter().copied().filter(|bound| b.iter().any(|other| other.to_bits() == bound.to_bits())).collect()
}

/// Returns custom buckets with fewer bounds: each is added to the first that ends at or after it.
pub(crate) fn rebound(buckets: &Buckets, bounds: &[f64], kept: &[f64]) -> Buckets {
    let mut all: Buckets = Vec::new();
    for &(index, count) in buckets {
        let upper = bound(index, super::CUSTOM_SCHEMA, bounds);
        let target = kept.partition_point(|bound| *bound < upper);
        let target = i32::try_from(target).unwrap_or(i32::MAX);
        match all.last_mut() {
            Some(last) if last.0 == target => last.1 += count,
            _ => all.push((target, count)),
        }
    }
    all
}
