//! Gauges, sums and summaries.

use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, SummaryDataPoint, number_data_point::Value};

use super::{
    exponential::to_f64,
    map::{Context, NO_RECORDED_VALUE, Place},
    streams::{Stream, Total, zero_at},
};
use crate::{ingest::otlp::translate::Identity, series::stale_marker};

impl Context<'_> {
    /// Adds a point of a gauge.
    pub(super) fn gauge(&mut self, name: &str, identity: &Identity, point: &NumberDataPoint) {
        let Some(value) = number(point) else {
            return self.reject_all(format!("a point of {name:?} has no value"), 1);
        };
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let Some(place) = self.place(name, identity, &point.attributes, times) else { return };
        self.rows.push(place.point, name, (&place.labels, None), &[(place.time_ms, value)]);
        self.exemplars(&point.exemplars, &place, None);
    }

    /// Adds a point of a sum. Deltas are added to their stream; a monotonic sum begins with a sample of zero when its
    /// start is known.
    pub(super) fn sum(
        &mut self,
        name: &str,
        identity: &Identity,
        point: &NumberDataPoint,
        (is_delta, is_monotonic): (bool, bool),
    ) {
        let Some(value) = number(point) else {
            return self.reject_all(format!("a point of {name:?} has no value"), 1);
        };
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let Some(place) = self.place(name, identity, &point.attributes, times) else { return };
        if point.flags & NO_RECORDED_VALUE != 0 {
            return self.rows.push(place.point, name, (&place.labels, None), &[(place.time_ms, value)]);
        }
        let changes = if is_delta { &mut self.deltas } else { &mut self.starts };
        let known = changes.get(place.key);
        let zero = if is_delta && known.is_some() {
            None
        } else {
            zero_at(known, place.start_ms, place.time_ms).filter(|_| is_monotonic)
        };
        let mut total = value;
        if is_delta {
            match order(known, &place) {
                Order::Next => {}
                Order::Again => return,
                Order::Late => return self.reject(late(name)),
            }
            if let Some(Stream { total: Total::Number(sum), .. }) = known {
                total += sum;
            }
        }
        if is_delta || is_monotonic {
            let kept = if is_delta { Total::Number(total) } else { Total::Cumulative };
            let stream = Stream { start_ms: place.start_ms, time_ms: place.time_ms, total: kept };
            changes.set(place.key, stream);
        }
        let samples = zero.map(|at| (at, 0.0)).into_iter().chain([(place.time_ms, total)]);
        self.rows.push(place.point, name, (&place.labels, None), &samples.collect::<Vec<_>>());
        self.exemplars(&point.exemplars, &place, None);
    }

    /// Adds a point of a summary: one series for each quantile, the sum and the count.
    pub(super) fn summary(&mut self, name: &str, identity: &Identity, point: &SummaryDataPoint) {
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let Some(place) = self.place(name, identity, &point.attributes, times) else { return };
        let is_stale = point.flags & NO_RECORDED_VALUE != 0;
        let sample = |value: f64| [(place.time_ms, if is_stale { stale_marker() } else { value })];
        self.rows.push(place.point, &format!("{name}_sum"), (&place.labels, None), &sample(point.sum));
        self.rows.push(place.point, &format!("{name}_count"), (&place.labels, None), &sample(to_f64(point.count)));
        for quantile in &point.quantile_values {
            let label = quantile.quantile.to_string();
            let further = Some(("quantile", label.as_str()));
            self.rows.push(place.point, name, (&place.labels, further), &sample(quantile.value));
        }
    }
}

/// Order of a point of a stream of deltas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// After the last one.
    Next,
    /// The last one, sent again.
    Again,
    /// Before the last one.
    Late,
}

/// Returns the order of a point of a stream of deltas.
pub(super) fn order(known: Option<&Stream>, place: &Place<'_>) -> Order {
    match known {
        Some(known) if place.time_ms == known.time_ms => Order::Again,
        Some(known) if place.time_ms < known.time_ms => Order::Late,
        _ => Order::Next,
    }
}

/// Returns the reason for rejecting a point before the last one of its stream.
pub(super) fn late(name: &str) -> String {
    format!("a delta of {name:?} is older than the last one of its stream")
}

/// Returns the value of a point: the stale marker for one without a recorded value, `None` when it is missing.
fn number(point: &NumberDataPoint) -> Option<f64> {
    if point.flags & NO_RECORDED_VALUE != 0 {
        return Some(stale_marker());
    }
    point.value.map(|value| match value {
        Value::AsDouble(number) => number,
        #[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
        Value::AsInt(number) => number as f64,
    })
}
