//! Rows of the learner: signals, forecasts and anomaly scores.

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};

use super::{table::table, words::words};

/// Origin of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalOrigin {
    /// Named in the configuration.
    Configured,
    /// Chosen by the service among the store's series.
    Default,
}
words!(SignalOrigin, "origin of a signal", { Configured => "configured", Default => "default" });

/// Learning status of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalStatus {
    /// There are too few data, or the first fit is running.
    Learning,
    /// A model is fitted.
    Ready,
    /// The last fit failed; `reason` contains the cause.
    Failed,
}
words!(SignalStatus, "status of a signal", { Learning => "learning", Ready => "ready", Failed => "failed" });

table! {
    /// A signal and the state of its model.
    #[derive(Serialize, Deserialize)]
    pub struct SignalRow in "signals" since 1, "Learned signals: one row each";
    signal: String = "name of the signal";
    expr: String = "its PromQL expression";
    origin: SignalOrigin = "configured or default";
    step_ms: i64 = "distance between its points" unit "ms";
    status: SignalStatus = "learning, ready or failed";
    reason: Option<String> = "reason of a failure, or missing data";
    seasons_ms: Vec<i64> = "lengths of its seasons" unit "ms" flat "seasons";
    model: Option<String> = "name of the fitted model";
    fitted_at: Option<Timestamp> = "when the model was fitted" unit "UTC";
    points: u64 = "points used by the fit";
    mase: Option<f64> = "mean absolute scaled error on held-out points" unit "1 = as the seasonal naive forecast";
    coverage_80: Option<f64> = "share of held-out points inside the 80 % interval" unit "0 to 1";
    coverage_95: Option<f64> = "share of held-out points inside the 95 % interval" unit "0 to 1";
}

table! {
    /// One point of one forecast, in the signal's unit.
    #[derive(Serialize, Deserialize)]
    pub struct ForecastRow in "forecasts" since 1,
        "All forecasts, including old ones: one row for each signal, time of making and forecast time";
    signal: String = "the signal";
    timestamp: Timestamp = "forecast time" unit "UTC" flat "time";
    yhat: f64 = "expected value" unit "unit of the signal";
    yhat_lower_80: f64 = "lower end of the 80 % interval" unit "unit of the signal";
    yhat_upper_80: f64 = "upper end of the 80 % interval" unit "unit of the signal";
    yhat_lower_95: f64 = "lower end of the 95 % interval" unit "unit of the signal";
    yhat_upper_95: f64 = "upper end of the 95 % interval" unit "unit of the signal";
    model: String = "name of the model";
    made_at: Timestamp = "when the forecast was made" unit "UTC";
}

/// Kind of deviation from the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnomalyKind {
    /// The value differs from the values before it.
    Value,
    /// The value differs from the same phase of the signal's seasons.
    Level,
    /// The value belongs to a run that moves away while each value is inside the band.
    Drift,
    /// The signal does not vary although it usually does.
    FlatLine,
}
words!(AnomalyKind, "kind of an anomaly", { Value => "value", Level => "level", Drift => "drift", FlatLine => "flat_line" });

table! {
    /// Anomaly score of one point; above 1 is an anomaly. `signal` and `timestamp` are the key.
    #[derive(Serialize, Deserialize)]
    pub struct AnomalyRow in "anomalies" since 1, "Anomaly scores: one row for each signal and instant scored";
    signal: String = "the signal";
    timestamp: Timestamp = "the instant" unit "UTC" flat "time";
    value: f64 = "measured value" unit "unit of the signal";
    yhat: f64 = "expected value" unit "unit of the signal";
    yhat_lower: f64 = "lower end of the band" unit "unit of the signal";
    yhat_upper: f64 = "upper end of the band" unit "unit of the signal";
    score: f64 = "distance from the centre of the band in half-widths of the band" unit "0 = as expected, above 1 = an anomaly";
    kind: AnomalyKind = "kind of anomaly: value, level, drift or flat_line" added 2 default "'value'";
    @computed is_anomaly: bool = "whether the score is above 1" sql "score > 1" from |row: &AnomalyRow| row.score > 1.0;
}

/// Filter of signals; the default lists all, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SignalFilter {
    /// Only these signals; empty = all.
    pub signals: Vec<String>,
    /// Only with this status.
    pub status: Option<SignalStatus>,
}

/// Filter of forecasts or anomalies; the default lists all, by signal and time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowFilter {
    /// Only of these signals; empty = all.
    pub signals: Vec<String>,
    /// Start of the span, inclusive.
    pub start: Option<Timestamp>,
    /// End of the span, inclusive.
    pub end: Option<Timestamp>,
    /// Forecasts: only the most recent forecast of each instant. Anomalies: only the newest point of each signal.
    pub latest: bool,
    /// Forecasts: only those made at or before this instant. Anomalies: no effect.
    pub made_until: Option<Timestamp>,
    /// Anomalies: only with at least this score. Forecasts: no effect.
    pub min_score: Option<f64>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
}
