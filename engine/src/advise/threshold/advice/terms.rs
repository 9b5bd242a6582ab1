//! By what an applied rule is measured.

use serde::{Deserialize, Serialize};

use super::measure::AppliedRule;

/// By what an applied rule is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTerms {
    /// The rule: once it is applied, the rule file may no longer say it as simply.
    pub(super) rule: AppliedRule,
    /// Begin of the history that the promise was scored on; a rule that is gone back to has none.
    #[serde(default)]
    pub(super) scored_from_ms: Option<i64>,
    /// End of that history.
    #[serde(default)]
    pub(super) scored_until_ms: Option<i64>,
    /// Incidents that were caught there, of all.
    #[serde(default)]
    pub(super) promised: Option<(usize, usize)>,
    /// Where rows of older releases have these.
    #[serde(default, skip_serializing)]
    pub(super) recommended: Option<OldFigures>,
}

/// Figures of a recommended rule as older releases kept them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct OldFigures {
    incidents: usize,
    incidents_caught: usize,
}

impl RuleTerms {
    /// Incidents that were promised to be caught, of how many.
    pub(super) fn promised_catches(&self) -> Option<(usize, usize)> {
        let old = self.recommended.as_ref().map(|old| (old.incidents_caught, old.incidents));
        self.promised.or(old).filter(|(_, all)| *all > 0)
    }
}
