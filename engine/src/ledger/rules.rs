//! The rules of a kind of recommendation that the ledger needs. The registry of advisors implements them.

use serde_json::Value;

use crate::store::rows::{Kind, RecommendationRow};

/// The better direction of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Less is better, for example false alerts.
    Lower,
    /// More is better, for example hits.
    Higher,
}

/// How a new proposal differs from an older one on the same target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The same decision. Newer figures replace older ones.
    None,
    /// Another number, too close to justify a change. The older one stays.
    Negligible,
    /// Another decision. The predicted effects decide between them.
    Distinct,
    /// The need has changed. The newer one replaces the older one whatever their predicted effects.
    Moved,
}

/// The rules of each kind of recommendation.
pub trait KindRules: std::fmt::Debug + Send + Sync {
    /// Returns the better direction of a metric; `None` for an unknown kind or metric.
    fn direction(&self, kind: Kind, metric: &str) -> Option<Direction>;

    /// Returns how `new` differs from `old`, which has the same kind and target.
    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference;

    /// Returns the part of the present setting that the proposal is based on. When it changes, a dismissed proposal may
    /// be made again.
    fn basis(&self, row: &RecommendationRow) -> Value;

    /// Returns the part of the proposal whose change callers are told of. The rest is renewed without notice.
    fn notable(&self, row: &RecommendationRow) -> Value;
}
