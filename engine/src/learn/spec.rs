//! What a signal is: a name, an expression and a step.

use almanac_models::{Horizon, Step};
use serde::{Deserialize, Serialize};

use crate::store::rows::SignalOrigin;

/// A signal to learn: a name and an expression, sampled at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalSpec {
    /// The name, unique among signals.
    pub name: String,
    /// The PromQL expression; it gives at most one series.
    pub expr: String,
    /// Distance between its points.
    pub step: Step,
    /// Lengths of its seasons; `None`: they are searched for.
    pub seasons: Option<Vec<Step>>,
    /// How far it is forecast.
    pub horizon: Horizon,
    /// Whether it is configured or chosen by the engine.
    pub origin: SignalOrigin,
}
