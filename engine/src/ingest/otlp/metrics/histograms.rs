//! Histograms with explicit bounds as classic buckets, exponential ones as native histograms.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint};

use super::{
    exponential::{accumulated, native, to_f64},
    map::{Context, NO_RECORDED_VALUE, Place},
    numbers::{Order, late, order},
    streams::{Stream, Total, zero_at},
};
use crate::{histogram::Histogram, ingest::otlp::translate::Identity, series::stale_marker};

/// Cumulative counts of a histogram at one time.
struct Buckets {
    /// Finite bounds with counts, ascending.
    bounds: Vec<(f64, f64)>,
    count: f64,
    sum: Option<f64>,
}

impl Context<'_> {
    /// Adds a point of a histogram with explicit bounds.
    pub(super) fn histogram(&mut self, name: &str, identity: &Identity, point: &HistogramDataPoint, is_delta: bool) {
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let Some(place) = self.place(name, identity, &point.attributes, times) else { return };
        if point.flags & NO_RECORDED_VALUE != 0 {
            return self.end_histogram(&place, &point.explicit_bounds);
        }
        let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
        if !counts.is_empty() && counts.len() != bounds.len() + 1 {
            let reason =
                format!("{name:?} has {} buckets with {} bounds; one more is expected", counts.len(), bounds.len());
            return self.reject(reason);
        }
        if bounds.windows(2).any(|pair| !(pair[0] < pair[1])) || bounds.iter().any(|bound| !bound.is_finite()) {
            return self.reject(format!("the bounds of {name:?} are not ascending finite numbers"));
        }
        let changes = if is_delta { &mut self.deltas } else { &mut self.starts };
        let known = changes.get(place.key);
        let mut counts: Vec<f64> = counts.iter().copied().map(to_f64).collect();
        let (mut count, mut sum) = (to_f64(point.count), point.sum);
        let mut zero = zero_at(known, place.start_ms, place.time_ms);
        let mut total = Total::Cumulative;
        if is_delta {
            match order(known, &place) {
                Order::Next => {}
                Order::Again => return,
                Order::Late => return self.reject(late(name)),
            }
            if let Some(Total::Explicit { bounds: old, counts: before, sum: sum_before, count: count_before }) =
                known.map(|known| &known.total)
                && old == bounds
                && before.len() == counts.len()
            {
                counts.iter_mut().zip(before).for_each(|(count, before)| *count += before);
                count += count_before;
                sum = sum.map(|sum| sum + sum_before);
                zero = None;
            }
            let sum = sum.unwrap_or(0.0);
            total = Total::Explicit { bounds: bounds.clone(), counts: counts.clone(), sum, count };
        }
        changes.set(place.key, Stream { start_ms: place.start_ms, time_ms: place.time_ms, total });
        let mut below = 0.0;
        let bounds = bounds.iter().zip(&counts).map(|(bound, count)| {
            below += count;
            (*bound, below)
        });
        let buckets = Buckets { bounds: bounds.collect(), count, sum };
        self.push_histogram(&place, &buckets, zero, &point.exemplars);
    }

    /// Adds a point of an exponential histogram.
    pub(super) fn exponential(
        &mut self,
        name: &str,
        identity: &Identity,
        point: &ExponentialHistogramDataPoint,
        is_delta: bool,
    ) {
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let Some(place) = self.place(name, identity, &point.attributes, times) else { return };
        let changes = if is_delta { &mut self.deltas } else { &mut self.starts };
        let known = changes.get(place.key);
        if point.flags & NO_RECORDED_VALUE != 0 {
            let end = [(place.time_ms, stale_marker())];
            return self.rows.push(place.point, place.name, (&place.labels, None), &end);
        }
        let mut histogram = match native(point) {
            Ok(histogram) => histogram,
            Err(problem) => return self.reject(format!("a point of {name:?} cannot be stored: {problem}")),
        };
        let mut zero = zero_at(known, place.start_ms, place.time_ms);
        if is_delta {
            match order(known, &place) {
                Order::Next => {}
                Order::Again => return,
                Order::Late => return self.reject(late(name)),
            }
            if let Some(Total::Exponential(before)) = known.map(|known| &known.total) {
                histogram = match accumulated(histogram, before) {
                    Ok(histogram) => histogram,
                    Err(problem) => return self.reject(format!("a point of {name:?} cannot be stored: {problem}")),
                };
                zero = None;
            }
        }
        let total = if is_delta { Total::Exponential(histogram.clone()) } else { Total::Cumulative };
        changes.set(place.key, Stream { start_ms: place.start_ms, time_ms: place.time_ms, total });
        let empty =
            Histogram { schema: histogram.schema, zero_threshold: histogram.zero_threshold, ..Histogram::default() };
        let samples: Vec<(i64, Histogram)> =
            zero.map(|at| (at, empty)).into_iter().chain([(place.time_ms, histogram)]).collect();
        self.rows.push_histograms(place.point, place.name, &place.labels, samples);
        self.exemplars(&point.exemplars, &place, None);
    }

    /// Adds the series of a histogram.
    fn push_histogram(&mut self, place: &Place<'_>, buckets: &Buckets, zero: Option<i64>, exemplars: &[Exemplar]) {
        let (point, labels) = (place.point, &place.labels);
        let samples = |value: f64| -> Vec<(i64, f64)> {
            zero.map(|at| (at, 0.0)).into_iter().chain([(place.time_ms, value)]).collect()
        };
        if let Some(sum) = buckets.sum {
            self.rows.push(point, &format!("{}_sum", place.name), (labels, None), &samples(sum));
        }
        self.rows.push(point, &format!("{}_count", place.name), (labels, None), &samples(buckets.count));
        let name = format!("{}_bucket", place.name);
        let mut lower = f64::NEG_INFINITY;
        for (bound, count) in &buckets.bounds {
            let le = bound.to_string();
            self.rows.push(point, &name, (labels, Some(("le", &le))), &samples(*count));
            self.exemplars(exemplars, place, Some((lower, *bound)));
            lower = *bound;
        }
        self.rows.push(point, &name, (labels, Some(("le", "+Inf"))), &samples(buckets.count));
        self.exemplars(exemplars, place, Some((lower, f64::INFINITY)));
    }

    /// Ends the series of a histogram with stale markers.
    fn end_histogram(&mut self, place: &Place<'_>, bounds: &[f64]) {
        let (point, labels, end) = (place.point, &place.labels, [(place.time_ms, stale_marker())]);
        for suffix in ["sum", "count"] {
            self.rows.push(point, &format!("{}_{suffix}", place.name), (labels, None), &end);
        }
        let name = format!("{}_bucket", place.name);
        for le in bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]) {
            self.rows.push(point, &name, (labels, Some(("le", &le))), &end);
        }
    }
}
