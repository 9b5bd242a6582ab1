//! Online state of one signal: its detector, and the coverage of its forecast on new values.

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

/// Number of newest points over which the coverage of the forecast is measured.
const COVERAGE_POINTS: usize = 60;
/// Maximum share of points outside the 80 % interval. Above it the forecast has drifted; 0.2 is expected.
const OUTSIDE_SHARE_MAX: f64 = 0.6;

/// Scores new points of a signal and detects drift of its forecast.
#[derive(Debug, Clone)]
pub(in crate::learn) struct Scorer {
    detector: OnlineDetector,
    calendar: Calendar,
    last_ms: i64,
    /// Time of the forecast's first point, in epoch milliseconds.
    band_start_ms: i64,
    /// Lower and upper ends of the forecast's 80 % interval, one pair for each step.
    band: Vec<(f64, f64)>,
    /// Whether each of the newest points was outside the interval.
    outside: VecDeque<bool>,
}

impl Scorer {
    /// `last_ms`: one step before the first point that will be pushed, in epoch milliseconds.
    pub(in crate::learn) fn new(detector: OnlineDetector, last_ms: i64, calendar: Calendar) -> Self {
        Self { detector, calendar, last_ms, band_start_ms: 0, band: Vec::new(), outside: VecDeque::new() }
    }

    /// Returns the time of the last point, in epoch milliseconds.
    pub(in crate::learn) fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Sets the forecast that the next points are compared with.
    pub(in crate::learn) fn set_forecast(&mut self, forecasts: &[ForecastRow]) {
        self.outside.clear();
        self.band_start_ms = forecasts.first().map_or(0, |row| row.timestamp.millis());
        self.band = forecasts.iter().map(|row| (row.yhat_lower_80, row.yhat_upper_80)).collect();
    }

    /// Scores the points after the last one; NaN is a missing value. Returns a row for each value, once the detector
    /// has seen enough values for a band.
    pub(in crate::learn) fn push(&mut self, spec: &SignalSpec, y: &[f64]) -> Vec<AnomalyRow> {
        let mut rows = Vec::new();
        for &value in y {
            let before = Timestamp::from_millis(self.last_ms);
            self.last_ms = self.last_ms.saturating_add(spec.step.millis());
            // The detector shifts its seasons by the steps that daylight saving time inserts or skips.
            let set = self.calendar.clocks_set(before, Timestamp::from_millis(self.last_ms), spec.step);
            if set != 0 {
                self.detector.set_clocks(set);
            }
            let scored = self.detector.push(value);
            if !value.is_finite() {
                continue;
            }
            self.record_coverage(spec, value);
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

    /// Records whether a value is outside the forecast's interval; nothing beyond the horizon.
    fn record_coverage(&mut self, spec: &SignalSpec, value: f64) {
        let idx =
            (self.last_ms - self.band_start_ms).checked_div(spec.step.millis()).and_then(|i| usize::try_from(i).ok());
        if let Some((lower, upper)) = idx.and_then(|i| self.band.get(i)) {
            self.outside.push_back(!(*lower..=*upper).contains(&value));
            if self.outside.len() > COVERAGE_POINTS {
                self.outside.pop_front();
            }
        }
    }

    /// Whether too many of the newest points are outside the forecast's interval. False until half of the points are
    /// known.
    pub(in crate::learn) fn has_drifted(&self) -> bool {
        let outside = self.outside.iter().filter(|out| **out).count();
        self.outside.len() >= COVERAGE_POINTS / 2 && outside as f64 > OUTSIDE_SHARE_MAX * self.outside.len() as f64
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
