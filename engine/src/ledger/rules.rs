//! What the ledger asks about recommendations of a kind. The registry of advisors answers; the ledger knows no advisor.

use serde_json::Value;

use crate::store::rows::{Kind, RecommendationRow};

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Less is better, as of false alerts.
    Lower,
    /// More is better, as of hits.
    Higher,
}

/// How a new proposal differs from an older one on the same target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is the same decision; newer figures take the place of older ones.
    None,
    /// Another number, so close that a change is not worth it: the older one stays.
    Negligible,
    /// Another decision, of which the promised effects decide.
    Distinct,
    /// Another need: at any setting the promise is about the same, so that it decides nothing.
    Moved,
}

/// The rules of each kind of recommendation.
pub trait KindRules: std::fmt::Debug + Send + Sync {
    /// Which way a metric is better; none for a kind or a metric that nobody knows.
    fn direction(&self, kind: Kind, metric: &str) -> Option<Direction>;

    /// How `new` differs from `old`; both are of one kind and target.
    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference;

    /// What of the present setting a proposal rests on and a person may change.
    fn basis(&self, row: &RecommendationRow) -> Value;
}
