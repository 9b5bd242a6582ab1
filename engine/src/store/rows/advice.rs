use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kind, words::words};

/// Where a recommendation is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Said, not answered.
    Proposed,
    /// Somebody agreed.
    Accepted,
    /// Somebody declined.
    Dismissed,
    /// Somebody put it into effect.
    Applied,
    /// What was promised came.
    Verified,
    /// It did harm or kept less than was promised.
    Regressed,
    /// Its time passed, or a newer one replaced it.
    Expired,
}
words!(State, "state of a recommendation", {
    Proposed => "proposed",
    Accepted => "accepted",
    Dismissed => "dismissed",
    Applied => "applied",
    Verified => "verified",
    Regressed => "regressed",
    Expired => "expired",
});

/// The predicted effect of a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What changes, such as `replica_hours_per_week`.
    pub metric: String,
    /// Its unit, such as `h` or `1`.
    pub unit: String,
    /// The predicted change or value.
    pub value: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// The interval's level, such as 0.8.
    pub level: f64,
}

/// Something a machine can apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// What the body is, such as `keda/scaledobject+yaml`.
    pub format: String,
    /// The text itself.
    pub body: String,
}

/// A recommendation with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendationRow {
    /// The key.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// The workload, cache or alert it speaks of.
    pub target: String,
    /// The present setting.
    pub current: Value,
    /// The proposed setting.
    pub proposed: Value,
    /// From when it holds.
    pub valid_from: Timestamp,
    /// Until when; `None` = until it is replaced.
    pub valid_until: Option<Timestamp>,
    /// What it is predicted to do.
    pub effect: Effect,
    /// How sure the advisor is, in [0, 1].
    pub confidence: f64,
    /// Why, in one sentence that a person would say.
    pub reason: String,
    /// Replay figures and the span of the data.
    pub evidence: Value,
    /// What to apply.
    pub patch: Patch,
    /// Where it is on its way.
    pub state: State,
    /// When it was first said.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The recommendation that it replaces.
    pub replaces: Option<String>,
}

/// Which recommendations to list; the default lists all, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecommendationFilter {
    /// Only these; empty = all.
    pub ids: Vec<String>,
    /// Only of these kinds; empty = all.
    pub kinds: Vec<Kind>,
    /// Only in these states; empty = all.
    pub states: Vec<State>,
    /// Only of these targets; empty = all.
    pub targets: Vec<String>,
    /// Only those that changed at this instant or later.
    pub updated_since: Option<Timestamp>,
    /// Only those that hold at this instant.
    pub valid_at: Option<Timestamp>,
    /// At most so many rows.
    pub limit: Option<usize>,
}

/// One change of a recommendation's state, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRow {
    /// The recommendation's id.
    pub recommendation: String,
    /// When it changed.
    pub at: Timestamp,
    /// The state before; `None` when it was first said.
    pub from_state: Option<State>,
    /// The state after.
    pub to_state: State,
    /// Who changed it.
    pub actor: String,
    /// What they said about it.
    pub note: Option<String>,
    /// The promised effect.
    pub predicted: Option<f64>,
    /// Lower end of the promise.
    pub predicted_lower: Option<f64>,
    /// Upper end of the promise.
    pub predicted_upper: Option<f64>,
    /// The measured effect.
    pub realised: Option<f64>,
    /// Lower end of the measurement.
    pub realised_lower: Option<f64>,
    /// Upper end of the measurement.
    pub realised_upper: Option<f64>,
}

/// Which outcomes to list; the default lists all, in the order in which they were put.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutcomeFilter {
    /// Only of these recommendations; empty = all.
    pub recommendations: Vec<String>,
    /// From this instant on, itself included.
    pub start: Option<Timestamp>,
    /// Up to this instant, itself included.
    pub end: Option<Timestamp>,
    /// Only changes to this state.
    pub to_state: Option<State>,
    /// At most so many rows.
    pub limit: Option<usize>,
}
