//! The terms of a threshold recommendation: the stored rule and the history that its prediction was scored on.

use serde::{Deserialize, Serialize};

use super::applied_rule::AppliedRule;

/// Data of a recommendation that the measurement of the applied rule needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTerms {
    /// The recommended rule.
    pub(super) rule: AppliedRule,
    /// Start of the held-out history that the prediction was scored on, epoch milliseconds.
    #[serde(default)]
    pub(super) scored_from_ms: Option<i64>,
    /// End of the held-out history, epoch milliseconds.
    #[serde(default)]
    pub(super) scored_until_ms: Option<i64>,
    /// Incidents caught on the held-out history, and their total; `None` for a rollback and without incidents.
    #[serde(default)]
    pub(super) promised: Option<(usize, usize)>,
    /// Fallback for `promised` in rows of older releases.
    #[serde(default, skip_serializing)]
    pub(super) recommended: Option<OldFigures>,
}

/// Figures of a recommended rule as older releases stored them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct OldFigures {
    incidents: usize,
    incidents_caught: usize,
}

impl RuleTerms {
    /// Returns the incidents that the recommendation predicted to catch, and their total.
    pub(super) fn promised_catches(&self) -> Option<(usize, usize)> {
        let old = self.recommended.as_ref().map(|old| (old.incidents_caught, old.incidents));
        self.promised.or(old).filter(|(_, all)| *all > 0)
    }
}
