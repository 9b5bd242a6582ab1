//! Rows of what is learned: signals, forecasts and anomaly scores.

use almanac_models::Timestamp;

use super::{table::table, words::words};

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
    /// A model is in force.
    Ready,
    /// The last fit failed; `reason` has the cause.
    Failed,
}
words!(SignalStatus, "status of a signal", { Learning => "learning", Ready => "ready", Failed => "failed" });

table! {
    /// A signal and the state of its model.
    pub struct SignalRow in "signals" since 1, "What is learned: one row for each signal";
    signal: String = "name of the signal";
    expr: String = "its PromQL expression";
    origin: SignalOrigin = "configured or default";
    step_ms: i64 = "distance between its points" unit "ms";
    status: SignalStatus = "learning, ready or failed";
    reason: Option<String> = "why it failed or what it lacks";
    seasons_ms: Vec<i64> = "lengths of its seasons" unit "ms" flat "seasons";
    model: Option<String> = "name of the model in force";
    fitted_at: Option<Timestamp> = "when the model was fitted" unit "UTC";
    points: u64 = "points that the fit used";
    mase: Option<f64> = "mean absolute scaled error on held-out points" unit "1 = as the seasonal naive forecast";
    coverage_80: Option<f64> = "share of held-out points inside the 80 % interval" unit "0 to 1";
    coverage_95: Option<f64> = "share of held-out points inside the 95 % interval" unit "0 to 1";
}

table! {
    /// One point of one forecast, in the signal's unit.
    pub struct ForecastRow in "forecasts" since 1,
        "Forecasts, old ones too: one row for each signal, time of making and instant";
    signal: String = "the signal";
    timestamp: Timestamp = "the instant that it is for" unit "UTC" flat "time";
    yhat: f64 = "expected value" unit "unit of the signal";
    yhat_lower_80: f64 = "lower end of the 80 % interval" unit "unit of the signal";
    yhat_upper_80: f64 = "upper end of the 80 % interval" unit "unit of the signal";
    yhat_lower_95: f64 = "lower end of the 95 % interval" unit "unit of the signal";
    yhat_upper_95: f64 = "upper end of the 95 % interval" unit "unit of the signal";
    model: String = "name of the model";
    made_at: Timestamp = "when the forecast was made" unit "UTC";
}

/// How a value departed from what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnomalyKind {
    /// It is far from the values just before it.
    Value,
    /// It is away from where the signal is at this phase of its seasons.
    Level,
    /// It belongs to values that drift away, each inside the band of single values.
    Drift,
    /// The signal is constant as it never was before.
    FlatLine,
}
words!(AnomalyKind, "kind of an anomaly", { Value => "value", Level => "level", Drift => "drift", FlatLine => "flat_line" });

table! {
    /// The anomaly score of one point; above 1 is an anomaly. `signal` and `timestamp` are the key.
    pub struct AnomalyRow in "anomalies" since 1, "Anomaly scores: one row for each signal and instant scored";
    signal: String = "the signal";
    timestamp: Timestamp = "the instant" unit "UTC" flat "time";
    value: f64 = "measured value" unit "unit of the signal";
    yhat: f64 = "expected value" unit "unit of the signal";
    yhat_lower: f64 = "lower end of the band" unit "unit of the signal";
    yhat_upper: f64 = "upper end of the band" unit "unit of the signal";
    score: f64 = "distance from the centre of the band in half-widths of the band" unit "0 = as expected, above 1 = an anomaly";
    kind: AnomalyKind = "what departs: value, level, drift or flat_line" added 2 default "'value'";
    @computed is_anomaly: bool = "whether the score is above 1" sql "score > 1" from |row: &AnomalyRow| row.score > 1.0;
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
