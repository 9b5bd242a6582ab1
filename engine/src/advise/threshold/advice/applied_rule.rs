//! The form in which a recommended rule is stored with its recommendation, and its replay on later history.

use serde::{Deserialize, Serialize};

use super::fetch::{INTERVAL_MS, RuleHistory};
use crate::advise::threshold::{
    Comparison, IncidentTargets, Instance, LabelledIncident, RuleScore, RuleSpec, Setting,
    bounds::{Band, Decision, HourlyBounds, MovingBound, Objective},
    score_rule,
};

/// A recommended rule as stored with its recommendation. It is stored because the applied rule file may compare with a
/// recorded bound, from which the rule cannot be parsed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::advise::threshold) struct AppliedRule {
    pub(super) signal: String,
    comparison: String,
    /// `None` for a moving bound.
    bound: Option<f64>,
    for_ms: i64,
    keep_firing_for_ms: i64,
    pub(super) interval_ms: i64,
    pub(super) hourly: Option<Vec<f64>>,
    pub(super) band_width: Option<f64>,
    /// Error budget (a share) and period (milliseconds) of an objective with burn-rate alerts.
    pub(super) objective: Option<(f64, i64)>,
    /// Targets whose incidents the rule is scored on. Rows of older releases lack this and count every incident.
    #[serde(default)]
    judged_by: IncidentTargets,
}

impl AppliedRule {
    /// Creates the stored form of the present rule.
    pub(in crate::advise::threshold) fn present(spec: &RuleSpec, judged_by: &IncidentTargets) -> Self {
        let Setting { bound, for_ms, keep_firing_for_ms, .. } = spec.setting();
        Self {
            signal: spec.condition.signal.clone(),
            comparison: spec.condition.comparison.symbol().to_owned(),
            bound: bound.is_finite().then_some(bound),
            for_ms,
            keep_firing_for_ms,
            interval_ms: spec.interval_ms.filter(|step| *step > 0).unwrap_or(INTERVAL_MS),
            hourly: None,
            band_width: None,
            objective: None,
            judged_by: judged_by.clone(),
        }
    }

    /// Creates the stored form of the recommended rule.
    pub(in crate::advise::threshold) fn of(spec: &RuleSpec, decision: &Decision, judged_by: &IncidentTargets) -> Self {
        let Setting { bound, for_ms, keep_firing_for_ms, .. } = decision.setting;
        let (hourly, band_width, objective) = match &decision.moving {
            Some(MovingBound::Hourly(hourly)) => (Some(hourly.bounds.clone()), None, None),
            Some(MovingBound::Band(band)) => (None, Some(band.width), None),
            Some(MovingBound::BurnRate(objective)) => (None, None, Some((objective.budget, objective.period_ms))),
            None => (None, None, None),
        };
        let bound = bound.is_finite().then_some(bound);
        Self { bound, for_ms, keep_firing_for_ms, hourly, band_width, objective, ..Self::present(spec, judged_by) }
    }

    /// Returns the setting, with a NaN bound when the bound moves; `None` when the stored comparison is unknown.
    pub(super) fn setting(&self) -> Option<Setting> {
        Some(Setting {
            comparison: Comparison::parse(&self.comparison)?,
            bound: self.bound.unwrap_or(f64::NAN),
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
        })
    }

    /// Replays the rule from `from_ms` on. A band and burn rates are computed on the whole history, since they need the
    /// values before.
    pub(super) fn score(&self, history: &RuleHistory, from_ms: i64) -> Option<RuleScore> {
        let setting = self.setting()?;
        let instances = history.aligned.instances();
        let objective = self.objective.map(|(budget, period_ms)| Objective { budget, period_ms });
        let transformed = match objective {
            Some(objective) => Some(objective.burn_rates(&instances)),
            None => self.band_width.map(|_| Band::distances(&instances)),
        };
        let transformed = transformed.as_ref().map_or(instances.clone(), |transformed| transformed.of(&instances));
        let transformed: Vec<Instance<'_>> = transformed.iter().map(|instance| instance.from(from_ms)).collect();
        let incidents = &self.incidents(history);
        if objective.is_some() {
            return Some(Objective::score(&transformed, incidents));
        }
        Some(match (self.band_width, &self.hourly) {
            (Some(width), _) => Band::of(width, &setting).score(&transformed, incidents),
            (None, Some(bounds)) => HourlyBounds::of(bounds.clone(), setting)?.score(&transformed, incidents),
            (None, None) => score_rule(&transformed, incidents, &setting),
        })
    }
    /// Returns the incidents of a history for scoring, ascending and disjoint.
    pub(super) fn incidents(&self, history: &RuleHistory) -> Vec<LabelledIncident> {
        self.judged_by.label(&history.incidents, history.end_ms)
    }
}
