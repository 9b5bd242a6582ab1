//! The online state of one signal: its detector, and whether its forecast still holds.

use std::collections::VecDeque;

use almanac_models::{
    Timestamp,
    anomaly::{Kind, OnlineDetector},
};

use crate::{
    calendar::Calendar,
    learn::SignalSpec,
    store::rows::{AnomalyKind, AnomalyRow, ForecastRow},
};

/// The newest points over which the forecast's coverage is judged.
const WATCHED_POINTS: usize = 60;
/// A fifth of the points lies outside an 80 % interval that holds; above this share the forecast no longer holds.
const OUTSIDE_SHARE_MAX: f64 = 0.6;

/// Scores new points of a signal and watches its forecast.
#[derive(Debug, Clone)]
pub(in crate::learn) struct Scorer {
    detector: OnlineDetector,
    calendar: Calendar,
    last_ms: i64,
    /// The 80 % interval of the forecast: its first instant, its ends.
    band_start_ms: i64,
    band: Vec<(f64, f64)>,
    outside: VecDeque<bool>,
}

impl Scorer {
    /// `last_ms`: the instant before the first point that will be pushed.
    pub(in crate::learn) fn new(detector: OnlineDetector, last_ms: i64, calendar: Calendar) -> Self {
        Self { detector, calendar, last_ms, band_start_ms: 0, band: Vec::new(), outside: VecDeque::new() }
    }

    /// The instant of the last point.
    pub(in crate::learn) fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Compares the next points with this forecast.
    pub(in crate::learn) fn watch(&mut self, forecasts: &[ForecastRow]) {
        self.outside.clear();
        self.band_start_ms = forecasts.first().map_or(0, |row| row.timestamp.millis());
        self.band = forecasts.iter().map(|row| (row.yhat_lower_80, row.yhat_upper_80)).collect();
    }

    /// Scores the points after the last one, NaN where there is none; a row for each value once the detector is warm.
    pub(in crate::learn) fn push(&mut self, spec: &SignalSpec, y: &[f64]) -> Vec<AnomalyRow> {
        let mut rows = Vec::new();
        for &value in y {
            let before = Timestamp::from_millis(self.last_ms);
            self.last_ms = self.last_ms.saturating_add(spec.step.millis());
            let set = self.calendar.clocks_set(before, Timestamp::from_millis(self.last_ms), spec.step);
            if set != 0 {
                self.detector.set_clocks(set);
            }
            let scored = self.detector.push(value);
            if !value.is_finite() {
                continue;
            }
            self.compare(spec, value);
            if scored.lower.is_finite() && scored.upper.is_finite() {
                rows.push(AnomalyRow {
                    signal: spec.name.clone(),
                    timestamp: Timestamp::from_millis(self.last_ms),
                    value,
                    yhat: scored.expected,
                    yhat_lower: scored.lower,
                    yhat_upper: scored.upper,
                    score: scored.score,
                    kind: kind(scored.kind),
                });
            }
        }
        rows
    }

    fn compare(&mut self, spec: &SignalSpec, value: f64) {
        let idx =
            (self.last_ms - self.band_start_ms).checked_div(spec.step.millis()).and_then(|i| usize::try_from(i).ok());
        if let Some((lower, upper)) = idx.and_then(|i| self.band.get(i)) {
            self.outside.push_back(!(*lower..=*upper).contains(&value));
            if self.outside.len() > WATCHED_POINTS {
                self.outside.pop_front();
            }
        }
    }

    /// Whether far more of the newest points than the level allows lie outside the forecast.
    pub(in crate::learn) fn has_drifted(&self) -> bool {
        let outside = self.outside.iter().filter(|out| **out).count();
        self.outside.len() >= WATCHED_POINTS / 2 && outside as f64 > OUTSIDE_SHARE_MAX * self.outside.len() as f64
    }
}

fn kind(kind: Kind) -> AnomalyKind {
    match kind {
        Kind::Value => AnomalyKind::Value,
        Kind::Level => AnomalyKind::Level,
        Kind::Drift => AnomalyKind::Drift,
        Kind::FlatLine => AnomalyKind::FlatLine,
    }
}
