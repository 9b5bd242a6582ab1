//! Measures what an applied rule did since, as it was measured for the promise.

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

use super::{
    advise::{EVALUATIONS_MAX, INTERVAL_MS, effect},
    fetch::History,
    terms::RuleTerms,
};
use crate::{
    advise::{
        kit::LEVEL,
        threshold::{
            Comparison, IncidentTargets, Instance, RuleScore, RuleSpec, Setting, ThresholdError,
            bounds::{Band, Decision, HourlyBounds, Moving, Objective},
            score_rule,
            spec::FALSE_ALERTS,
        },
    },
    ledger::Measured,
    store::Store,
};

const DAY_MS: i64 = 86_400_000;
/// Time since a rule was applied that a judgement needs at most; less where less was promised on.
const LONG_ENOUGH_MS: i64 = 7 * DAY_MS;
/// Incidents since then from which a share of them caught says something.
const FEW_INCIDENTS: usize = 3;

/// What a recommended rule does, kept with its evidence: once it is applied, the rule file may no longer say it as simply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::advise::threshold) struct AppliedRule {
    signal: String,
    comparison: String,
    /// None where the bound moves.
    bound: Option<f64>,
    for_ms: i64,
    keep_firing_for_ms: i64,
    interval_ms: i64,
    hourly: Option<Vec<f64>>,
    band_width: Option<f64>,
    /// Budget and period of an objective whose burn rates alert.
    objective: Option<(f64, i64)>,
    /// Whose incidents it is judged by; rules applied before this was kept are judged by all.
    #[serde(default)]
    judged_by: IncidentTargets,
}

impl AppliedRule {
    /// The rule as it stands.
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

    pub(in crate::advise::threshold) fn of(spec: &RuleSpec, decision: &Decision, judged_by: &IncidentTargets) -> Self {
        let Setting { bound, for_ms, keep_firing_for_ms, .. } = decision.setting;
        let (hourly, band_width, objective) = match &decision.moving {
            Some(Moving::Hourly(hourly)) => (Some(hourly.bounds.clone()), None, None),
            Some(Moving::Band(band)) => (None, Some(band.width), None),
            Some(Moving::BurnRate(objective)) => (None, None, Some((objective.budget, objective.period_ms))),
            None => (None, None, None),
        };
        let bound = bound.is_finite().then_some(bound);
        Self { bound, for_ms, keep_firing_for_ms, hourly, band_width, objective, ..Self::present(spec, judged_by) }
    }

    fn setting(&self) -> Option<Setting> {
        Some(Setting {
            comparison: Comparison::parse(&self.comparison)?,
            bound: self.bound.unwrap_or(f64::NAN),
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
        })
    }

    /// What the rule did from `from_ms` on; a band is learned from all that comes before.
    fn score(&self, history: &History, from_ms: i64) -> Option<RuleScore> {
        let setting = self.setting()?;
        let instances = history.grid.instances();
        let objective = self.objective.map(|(budget, period_ms)| Objective { budget, period_ms });
        let views = match objective {
            Some(objective) => Some(objective.burns(&instances)),
            None => self.band_width.map(|_| Band::distances(&instances)),
        };
        let views = views.as_ref().map_or(instances.clone(), |views| views.of(&instances));
        let views: Vec<Instance<'_>> = views.iter().map(|view| view.from(from_ms)).collect();
        let incidents = &self.judged_by.label(&history.incidents, history.end_ms);
        if objective.is_some() {
            return Some(Objective::score(&views, incidents));
        }
        Some(match (self.band_width, &self.hourly) {
            (Some(width), _) => Band::of(width, &setting).score(&views, incidents),
            (None, Some(bounds)) => HourlyBounds::of(bounds.clone(), setting)?.score(&views, incidents),
            (None, None) => score_rule(&views, incidents, &setting),
        })
    }
}

/// What the applied rule did since `applied_at`: false alerts a week where incidents are labelled, alerts a week
/// otherwise; none while too little time has passed.
///
/// The rule is replayed on its signal, as it was for the promise. Where it catches a smaller share of at least three incidents
/// than promised, for sure, the promise is broken, however few its false alerts.
///
/// # Errors
/// [`ThresholdError`] when the signal cannot be evaluated.
pub(in crate::advise::threshold) fn measure(
    store: &Store,
    terms: &RuleTerms,
    metric: &str,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, ThresholdError> {
    let promised_on = terms.scored_until_ms.zip(terms.scored_from_ms);
    let promised_on = promised_on.map_or(LONG_ENOUGH_MS, |(until, from)| until - from);
    let since_ms = now.millis() - applied_at.millis();
    if since_ms < promised_on.clamp(0, LONG_ENOUGH_MS) {
        return Ok(None);
    }
    let rule = &terms.rule;
    let step_ms = rule.interval_ms.max(1);
    let evaluations = (since_ms / step_ms).saturating_add(EVALUATIONS_MAX).min(4 * EVALUATIONS_MAX);
    let history = History::fetch(store, &rule.signal, step_ms, evaluations, now)?;
    Ok(rule
        .score(&history, applied_at.millis())
        .and_then(|score| judge(terms.promised_catches(), metric == FALSE_ALERTS.name, &score)))
}

/// `promised`: incidents caught, of all, on the history of the promise.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn judge(promised: Option<(usize, usize)>, labelled: bool, score: &RuleScore) -> Option<Measured> {
    if score.evaluations == 0 {
        return None;
    }
    let realised = effect(score, labelled);
    let promised = promised.map(|(caught, all)| (caught as f64, all as f64));
    let broken =
        promised.filter(|_| labelled && score.incidents >= FEW_INCIDENTS).and_then(|(promised_caught, all)| {
            let promised = promised_caught / all;
            let (caught, missed) = (score.incidents_caught as f64, (score.incidents - score.incidents_caught) as f64);
            // Ends of the intervals that a uniform prior leaves: of what came the upper, of the promise, which rests on counts as well,
            // the lower.
            let end = |caught: f64, missed: f64, at: f64| {
                Beta::new(caught + 1.0, missed + 1.0).map_or(at, |law| law.inverse_cdf(at))
            };
            let most = end(caught, missed, 0.5 + LEVEL / 2.0);
            let least = end(promised_caught, all - promised_caught, 0.5 - LEVEL / 2.0);
            let told = format!(
                "it caught {} of {} incidents, {:.0} % were promised",
                score.incidents_caught,
                score.incidents,
                100.0 * promised
            );
            (most < least).then_some(told)
        });
    Some(Measured { value: realised.value, lower: realised.lower, upper: realised.upper, broken })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Direction::Lower;

    /// Promised: four of four incidents and 0.5 to 2 false alerts a week; came: so many caught of so many, in four weeks.
    fn judged(caught: usize, incidents: usize, false_alerts: usize) -> Measured {
        let score = RuleScore {
            alerts: false_alerts,
            false_alerts,
            incidents,
            incidents_caught: caught,
            evaluations: 40_320,
            span_ms: 4.0 * 604_800_000.0,
            ..RuleScore::default()
        };
        judge(Some((4, 4)), true, &score).unwrap()
    }

    #[test]
    fn a_rule_that_catches_all_has_broken_nothing() {
        for (caught, incidents, broken) in [(3, 3, false), (20, 20, false), (9, 10, false), (1, 8, true), (0, 2, false)]
        {
            assert_eq!(judged(caught, incidents, 4).broken.is_some(), broken, "{caught} of {incidents}");
        }
        let told = judged(1, 8, 4).broken.unwrap();
        assert_eq!(told, "it caught 1 of 8 incidents, 100 % were promised");
        assert!(
            judged(4, 4, 4).keeps(Lower, 0.5, 2.0)
                && !judged(1, 8, 4).keeps(Lower, 0.5, 2.0)
                && !judged(4, 4, 40).keeps(Lower, 0.5, 2.0)
        );
    }
}
