//! Specification of a signal: a name, an expression and a step.

use almanac_models::{Horizon, Step};
use serde::{Deserialize, Serialize};

use crate::store::rows::SignalOrigin;

/// A signal to learn: a name and an expression, sampled at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalSpec {
    /// Name, unique among signals.
    pub name: String,
    /// PromQL expression that returns at most one series.
    pub expr: String,
    /// Distance between points.
    pub step: Step,
    /// Lengths of the seasons; `None`: they are detected.
    pub seasons: Option<Vec<Step>>,
    /// Length of the forecast.
    pub horizon: Horizon,
    /// Whether it is configured or chosen by the engine.
    pub origin: SignalOrigin,
}
