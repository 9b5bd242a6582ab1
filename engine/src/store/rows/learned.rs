use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};

use super::words::words;

/// Where a signal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalOrigin {
    /// Named in the configuration.
    Configured,
    /// Chosen among the series that nobody named.
    Default,
}
words!(SignalOrigin, "origin of a signal", { Configured => "configured", Default => "default" });

/// How far the learning of a signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalStatus {
    /// Not enough data yet, or the first fit is under way.
    Learning,
    /// A model stands.
    Ready,
    /// The last fit failed; `reason` says why.
    Failed,
}
words!(SignalStatus, "status of a signal", { Learning => "learning", Ready => "ready", Failed => "failed" });

/// A signal and the state of its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalRow {
    /// The signal's name; the key.
    pub signal: String,
    /// Its PromQL expression.
    pub expr: String,
    /// Where it comes from.
    pub origin: SignalOrigin,
    /// Distance between its points in milliseconds.
    pub step_ms: i64,
    /// How far its learning is.
    pub status: SignalStatus,
    /// Why it failed or what it lacks.
    pub reason: Option<String>,
    /// Lengths of its seasons in milliseconds.
    pub seasons_ms: Vec<i64>,
    /// Name of the model in force.
    pub model: Option<String>,
    /// When that model was fitted.
    pub fitted_at: Option<Timestamp>,
    /// Points the fit rests on.
    pub points: u64,
    /// Mean absolute scaled error on held-out points (1 = as the seasonal naive forecast).
    pub mase: Option<f64>,
    /// Share of held-out points inside the 80 % interval.
    pub coverage_80: Option<f64>,
    /// Share of held-out points inside the 95 % interval.
    pub coverage_95: Option<f64>,
}

/// One point of one forecast, in the signal's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastRow {
    /// The signal.
    pub signal: String,
    /// When the forecast was made.
    pub made_at: Timestamp,
    /// The instant it speaks of.
    pub timestamp: Timestamp,
    /// The expected value.
    pub yhat: f64,
    /// Lower end of the 80 % interval.
    pub yhat_lower_80: f64,
    /// Upper end of the 80 % interval.
    pub yhat_upper_80: f64,
    /// Lower end of the 95 % interval.
    pub yhat_lower_95: f64,
    /// Upper end of the 95 % interval.
    pub yhat_upper_95: f64,
    /// Name of the model.
    pub model: String,
}

/// How a value departed from what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnomalyKind {
    /// It stands out against the values just before it.
    Value,
    /// It is away from where the signal is at this phase of its seasons.
    Level,
    /// It belongs to values that drift away, each inside the band of single values.
    Drift,
    /// The signal stands still as it never did.
    FlatLine,
}
words!(AnomalyKind, "kind of an anomaly", { Value => "value", Level => "level", Drift => "drift", FlatLine => "flat_line" });

/// The anomaly score of one point; above 1 is an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyRow {
    /// The signal; with `timestamp` the key.
    pub signal: String,
    /// The point's instant.
    pub timestamp: Timestamp,
    /// What was measured.
    pub value: f64,
    /// What was expected.
    pub yhat: f64,
    /// Lower end of the band.
    pub yhat_lower: f64,
    /// Upper end of the band.
    pub yhat_upper: f64,
    /// Distance from the band's centre in half-widths of the band, at least 0.
    pub score: f64,
    /// The kind of departure that the score measures.
    pub kind: AnomalyKind,
}

/// Which signals to list; the default lists all, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SignalFilter {
    /// Only these signals; empty = all.
    pub signals: Vec<String>,
    /// Only with this status.
    pub status: Option<SignalStatus>,
}

/// Which forecasts or anomalies to list; the default lists all, by signal and time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowFilter {
    /// Only of these signals; empty = all.
    pub signals: Vec<String>,
    /// From this instant on, itself included.
    pub start: Option<Timestamp>,
    /// Up to this instant, itself included.
    pub end: Option<Timestamp>,
    /// Forecasts: for each instant only the forecast made last. Anomalies: of each signal only the newest point's.
    pub latest: bool,
    /// Forecasts: only those made at or before this instant. Anomalies: no effect.
    pub made_until: Option<Timestamp>,
    /// Anomalies: only with at least this score. Forecasts: no effect.
    pub min_score: Option<f64>,
    /// At most so many rows.
    pub limit: Option<usize>,
}
