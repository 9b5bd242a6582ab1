//! Sums and means of histograms, with compensated additions as for floats.

use std::sync::Arc;

use crate::{
    histogram::{Buckets, Combined, Histogram, IncompatibleSchemas, ResetHint},
    series::METRIC_NAME,
    signal::{
        EvalLimits,
        frame::{ABSENT, is_histogram},
        summation::Kahan,
        window::{RangeRow, SampleWindow},
    },
};

/// The sum of histograms. The layout and the hint are those of `layout`, its counts are not used.
#[derive(Debug, Clone)]
struct Sum {
    layout: Histogram,
    zero_count: Kahan,
    count: Kahan,
    sum: Kahan,
    positive: Vec<(i32, Kahan)>,
    negative: Vec<(i32, Kahan)>,
}

impl Sum {
    fn new(first: &Histogram) -> Self {
        let each = |buckets: &Buckets| buckets.iter().map(|bucket| (bucket.0, Kahan::new(bucket.1))).collect();
        Self {
            zero_count: Kahan::new(first.zero_count),
            count: Kahan::new(first.count),
            sum: Kahan::new(first.sum),
            positive: each(&first.positive),
            negative: each(&first.negative),
            layout: Histogram { positive: Vec::new(), negative: Vec::new(), ..first.clone() },
        }
    }

    #[expect(clippy::float_cmp, reason = "thresholds are equal or not")]
    fn add(&mut self, other: &Histogram) -> Result<Combined, IncompatibleSchemas> {
        let layout = &mut self.layout;
        let is_same = layout.schema == other.schema
            && layout.zero_threshold == other.zero_threshold
            && layout.custom == other.custom;
        if !is_same {
            let mut total = self.total();
            let combined = total.add(other)?;
            *self = Self::new(&total);
            return Ok(combined);
        }
        let collides = layout.take_hint(other.hint);
        self.zero_count.add(other.zero_count);
        self.count.add(other.count);
        self.sum.add(other.sum);
        add_buckets(&mut self.positive, &other.positive);
        add_buckets(&mut self.negative, &other.negative);
        Ok(Combined { collides, reconciled: false })
    }

    fn total(&self) -> Histogram {
        self.over(1.0)
    }

    /// Multiplies the sum, with its compensations.
    fn scale(&mut self, by: f64) {
        for sum in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *sum = sum.scaled(by);
        }
        self.positive.iter_mut().chain(&mut self.negative).for_each(|bucket| bucket.1 = bucket.1.scaled(by));
    }

    /// Returns the sum divided by `count`.
    fn over(&self, count: f64) -> Histogram {
        // Also correct for infinite sums, which have no compensation.
        let of = |sum: Kahan| sum.over(count).unwrap_or_else(|| sum.total() / count);
        let each = |buckets: &[(i32, Kahan)]| -> Buckets {
            buckets.iter().map(|bucket| (bucket.0, of(bucket.1))).filter(|bucket| bucket.1 != 0.0).collect()
        };
        Histogram {
            zero_count: of(self.zero_count),
            count: of(self.count),
            sum: of(self.sum),
            positive: each(&self.positive),
            negative: each(&self.negative),
            ..self.layout.clone()
        }
    }
}

fn add_buckets(into: &mut Vec<(i32, Kahan)>, from: &Buckets) {
    let mut at = 0;
    for &(index, count) in from {
        at += into[at..].partition_point(|bucket| bucket.0 < index);
        match into.get_mut(at) {
            Some(bucket) if bucket.0 == index => bucket.1.add(count),
            _ => into.insert(at, (index, Kahan::new(count))),
        }
    }
}

/// The sum or the mean of a group of histograms, and what happened on the way.
#[derive(Debug)]
pub(super) struct Total {
    sum: Sum,
    count: f64,
    /// The mean so far, once a sum would overflow.
    mean: Option<Sum>,
    is_mean: bool,
    hints: (bool, bool),
    reconciled: bool,
}

impl Total {
    pub(super) fn new(first: &Histogram, is_mean: bool) -> Self {
        let hints = (first.hint == ResetHint::Reset, first.hint == ResetHint::NotReset);
        Self { sum: Sum::new(first), count: 1.0, mean: None, is_mean, hints, reconciled: false }
    }

    pub(super) fn add(&mut self, other: &Histogram) -> Result<(), IncompatibleSchemas> {
        self.hints.0 |= other.hint == ResetHint::Reset;
        self.hints.1 |= other.hint == ResetHint::NotReset;
        self.count += 1.0;
        if !self.is_mean {
            self.reconciled |= self.sum.add(other)?.reconciled;
            return Ok(());
        }
        if self.mean.is_none() {
            let mut sum = self.sum.clone();
            let combined = sum.add(other)?;
            if !sum.total().overflows() {
                self.sum = sum;
                self.reconciled |= combined.reconciled;
                return Ok(());
            }
            let mut mean = self.sum.clone();
            mean.scale(1.0 / (self.count - 1.0));
            self.mean = Some(mean);
        }
        if let Some(mean) = &mut self.mean {
            mean.scale((self.count - 1.0) / self.count);
            let mut part = other.clone();
            part.divide(self.count);
            self.reconciled |= mean.add(&part)?.reconciled;
        }
        Ok(())
    }

    /// Whether some of the histograms were marked as reset and others as not.
    pub(super) fn collides(&self) -> bool {
        self.hints.0 && self.hints.1
    }

    /// Whether custom bounds were reconciled.
    pub(super) fn reconciled(&self) -> bool {
        self.reconciled
    }

    pub(super) fn finish(self) -> Histogram {
        match self.mean {
            Some(mean) => mean.total(),
            None if self.is_mean => self.sum.over(self.count),
            None => self.sum.total(),
        }
    }
}

/// `sum_over_time` and `avg_over_time` of a window with histograms. Floats beside them give no result and a warning.
/// `at`: first byte of the argument in the text of the query.
pub(in crate::signal) fn over_window(
    window: &SampleWindow<'_>,
    row: &RangeRow<'_>,
    is_mean: bool,
    at: usize,
    limits: &EvalLimits,
) -> f64 {
    let name = row.labels.get(METRIC_NAME);
    if !window.values.iter().all(|value| is_histogram(*value)) {
        limits.notes.warn(at, mixed_floats(name));
        return ABSENT;
    }
    let mut total: Option<Total> = None;
    for histogram in window.values.iter().filter_map(|value| limits.arena.get(*value)) {
        let added = match &mut total {
            Some(total) => total.add(&histogram),
            none => {
                *none = Some(Total::new(&histogram, is_mean));
                Ok(())
            }
        };
        if added.is_err() {
            limits.notes.warn(at, mixed_schemas(name));
            return ABSENT;
        }
    }
    total.map_or(ABSENT, |total| {
        note_total(&total, at, limits);
        limits.arena.put(Arc::new(total.finish()))
    })
}

/// Adds the notes about a sum or a mean.
pub(super) fn note_total(total: &Total, at: usize, limits: &EvalLimits) {
    if total.collides() {
        limits.notes.warn(at, COLLIDING);
    }
    if total.reconciled() {
        limits.notes.inform(at, RECONCILED);
    }
}

/// Remark about sums of histograms with and without a reset.
const COLLIDING: &str =
    "histograms whose counters were reset are combined with others whose counters were not, so the result has no hint";

/// Remark about custom bounds.
pub(in crate::signal) const RECONCILED: &str =
    "histograms have different custom bounds: only the bounds of all are kept";

/// Remark about a range with floats and histograms.
pub(super) fn mixed_floats(name: &str) -> String {
    format!("a range of {name:?} has floats and histograms, which have no common result")
}

/// Remark about exponential and custom buckets.
pub(super) fn mixed_schemas(name: &str) -> String {
    format!("{name:?} has histograms with exponential and with custom buckets, which have no common result")
}
