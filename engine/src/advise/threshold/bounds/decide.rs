//! Chooses the setting to recommend on the training part of a history, and scores it on the held-out part.

use super::{
    band::{Band, band_rules},
    burn_rate::Objective,
    hourly::{HourlyBounds, fit_hourly, learn_hourly},
    learn::{FEW_INCIDENTS, LearnedSettings, ScoredSetting, choose, learn, utility},
    range::SignalRange,
    tail::{ALERTS_PER_YEAR_MAX, PeakTail},
};
use crate::advise::threshold::{
    Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_duration,
    replay::{own_incidents, split_at, time_at_share},
    score_rule,
};

/// Share of the training part that bounds are fitted to; the rest of it validates the choice between them.
const VALIDATION_FROM: f64 = 0.6;
/// Maximum share of the present rule's false alerts that a band may have if the simpler bounds catch nothing on the
/// validation part.
const BAND_FALSE_SHARE_MAX: f64 = 0.3;

/// A bound that is not a constant.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) enum MovingBound {
    /// By hour of week.
    Hourly(HourlyBounds),
    /// A band around the expected value.
    Band(Band),
    /// Burn rates of an objective instead of a bound on the signal.
    BurnRate(Objective),
}

impl MovingBound {
    /// Writes the expression of the alert, and the recording rules that it reads.
    ///
    /// `rule`: the present one; `signal`: name of the learned signal; `name`: name of the bound's recording rule.
    pub(in crate::advise::threshold) fn rules(
        &self,
        condition: &Condition,
        rule: &Rule,
        signal: &str,
        name: &str,
    ) -> (String, Vec<Rule>) {
        match self {
            Self::Hourly(hourly) => (HourlyBounds::expression(condition, name), vec![hourly.recording_rule(name)]),
            Self::Band(band) => band_rules(condition, band, signal, name),
            Self::BurnRate(objective) => objective.rules(condition, rule, name),
        }
    }
}

/// The setting that is recommended for a rule.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct Decision {
    /// Bound and `for`; the present ones where nothing is better, and a NaN bound with `moving`.
    pub(in crate::advise::threshold) setting: Setting,
    /// The moving bound that replaces the constant one.
    pub(in crate::advise::threshold) moving: Option<MovingBound>,
    /// Whether it differs from the present setting.
    pub(in crate::advise::threshold) changed: bool,
    /// Reason as one sentence.
    pub(in crate::advise::threshold) reason: String,
    /// Alternatives for the operator: names and settings.
    alternatives: Vec<(&'static str, Setting)>,
}

/// A setting that an operator may prefer to the recommended one.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// `fewer_alerts`: fewer false alerts than the recommended one, and fewer incidents caught.
    pub name: &'static str,
    /// The setting.
    pub setting: Setting,
    /// Its score on the held-out part.
    pub score: RuleScore,
}

/// A decision on the training part with its scores on the held-out part.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct ScoredDecision {
    pub(in crate::advise::threshold) decision: Decision,
    /// Score of the present rule on the held-out part.
    pub(in crate::advise::threshold) present: RuleScore,
    /// Score of the recommended rule on the held-out part.
    pub(in crate::advise::threshold) recommended: RuleScore,
    /// Tail of the signal, without labelled incidents only.
    pub(in crate::advise::threshold) tail: Option<PeakTail>,
    /// Alternatives for the operator.
    pub(in crate::advise::threshold) alternatives: Vec<Alternative>,
}

/// Bounds that may replace a constant one.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::advise::threshold) struct AllowedBounds {
    /// Bounds by hour of week.
    pub(in crate::advise::threshold) hourly: bool,
    /// A band around the expected value; requires a learned signal.
    pub(in crate::advise::threshold) band: bool,
    /// Burn rates of the rule's objective. They are recommended whenever an objective is given.
    pub(in crate::advise::threshold) objective: Option<Objective>,
}

/// Decides on the history before `split_ms` alone, and scores the decision on the history after it.
///
/// `incidents`: ascending and disjoint, `None` without labels. `signal_text`: the signal's expression and name, whose
/// words reveal its unit.
pub(in crate::advise::threshold) fn decide_and_score(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    split_ms: i64,
    signal_text: &str,
    AllowedBounds { hourly, band, objective }: AllowedBounds,
) -> ScoredDecision {
    let (before, after) = split_at(instances, split_ms);
    let known = incidents.map(|all| incidents_known_at(all, split_ms));
    let later: Vec<LabelledIncident> = incidents.map_or(Vec::new(), |all| {
        let left = all.iter().filter(|incident| incident.end_ms >= split_ms);
        left.map(|i| LabelledIncident { start_ms: i.start_ms.max(split_ms), ..*i }).collect()
    });
    let transformed = match objective {
        Some(objective) => Some(objective.burn_rates(instances)),
        // Without labels the width of a band cannot be learned.
        None => (band && incidents.is_some()).then(|| Band::distances(instances)),
    };
    let transformed = transformed.as_ref().map(|transformed| transformed.of(instances));
    let (transformed_before, transformed_after) =
        transformed.map(|transformed| split_at(&transformed, split_ms)).unzip();
    let decision = match (objective, &transformed_before) {
        (Some(objective), Some(transformed)) => {
            decide_burn_rates(objective, &before, transformed, known.as_deref(), present)
        }
        _ => {
            let range = SignalRange::of(&before, signal_text, present.bound);
            decide(&before, known.as_deref(), present, &range, hourly, transformed_before.as_deref())
        }
    };
    let score = match (&decision.moving, &transformed_after) {
        (Some(MovingBound::Hourly(hourly)), _) => hourly.score(&after, &later),
        (Some(MovingBound::Band(band)), Some(transformed)) => band.score(transformed, &later),
        (Some(MovingBound::BurnRate(_)), Some(transformed)) => Objective::score(transformed, &later),
        _ => score_rule(&after, &later, &decision.setting),
    };
    let alternatives = decision
        .alternatives
        .iter()
        .map(|&(name, setting)| Alternative { name, setting, score: score_rule(&after, &later, &setting) })
        .collect();
    ScoredDecision {
        alternatives,
        present: score_rule(&after, &later, present),
        recommended: score,
        tail: if incidents.is_none() { PeakTail::fit(&before, present) } else { None },
        decision,
    }
}

/// Returns the incidents as known at an instant: those that have started, with their ends cut.
fn incidents_known_at(incidents: &[LabelledIncident], at_ms: i64) -> Vec<LabelledIncident> {
    let begun = incidents.iter().filter(|incident| incident.start_ms < at_ms);
    begun.map(|incident| LabelledIncident { end_ms: incident.end_ms.min(at_ms - 1), ..*incident }).collect()
}

/// Decides on a rule from its training history.
///
/// `incidents`: `None` without labels; then only the number of alerts can be reduced, and no bound moves. `hourly`:
/// whether bounds by hour of week are allowed. `transformed`: the instances as distances from the expected value, when
/// a band is allowed.
fn decide(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    range: &SignalRange,
    hourly: bool,
    transformed: Option<&[Instance<'_>]>,
) -> Decision {
    if range.is_state() {
        let reason = format!("the signal has {}: it is a state, and no other bound is better", range.states());
        return keep_present(present, reason);
    }
    match incidents {
        Some(incidents) => with_labels(instances, incidents, present, range, hourly, transformed),
        None => without_labels(instances, present, range),
    }
}

/// Chooses between a band, bounds by hour of week, and a constant bound, by labelled incidents.
fn with_labels(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    range: &SignalRange,
    hourly: bool,
    transformed: Option<&[Instance<'_>]>,
) -> Decision {
    let present_score = score_rule(instances, incidents, present);
    if let Some((band, score)) =
        transformed.and_then(|transformed| choose_band(instances, transformed, incidents, present, range))
    {
        let setting = Setting { bound: f64::NAN, comparison: present.comparison, ..band.setting };
        let reason = format!("a band around the expected value: {}", learned_from(&score, &present_score));
        return Decision {
            setting,
            moving: Some(MovingBound::Band(band)),
            changed: true,
            reason,
            alternatives: Vec::new(),
        };
    }
    // Bounds by hour of week are chosen only if they beat the best constant one.
    let LearnedSettings { best, fewer_alerts } = choose(instances, incidents, present, &present_score, range);
    let constant = best.as_ref().map_or(&present_score, |learned| &learned.score);
    let hourly = if hourly { learn_hourly(instances, incidents, present, constant, range) } else { None };
    let alternatives = fewer_alerts.map(|learned| ("fewer_alerts", learned.setting)).into_iter().collect();
    if let Some(hourly) = hourly {
        let score = hourly.score(instances, incidents);
        let reason = format!("bounds by hour of the week: {}", learned_from(&score, &present_score));
        let setting = hourly.setting;
        return Decision { setting, moving: Some(MovingBound::Hourly(hourly)), changed: true, reason, alternatives };
    }
    match best {
        Some(ScoredSetting { setting, score }) => Decision {
            setting,
            moving: None,
            changed: true,
            reason: learned_from(&score, &present_score),
            alternatives,
        },
        None => Decision { alternatives, ..keep_present(present, why_kept(&present_score)) },
    }
}

/// Describes both scores on the training part.
fn learned_from(score: &RuleScore, present_score: &RuleScore) -> String {
    format!(
        "on the training part of the history it catches {} of {} incidents with {} false alerts, the present rule {} \
         with {}",
        score.incidents_caught,
        present_score.incidents,
        score.false_alerts,
        present_score.incidents_caught,
        present_score.false_alerts
    )
}

/// Returns the reason to keep the present setting, with its figures.
fn why_kept(present_score: &RuleScore) -> String {
    let false_alerts = present_score.false_alerts;
    if present_score.incidents == 0 {
        return format!(
            "no incident is labelled on the training part of the history, and no bound that still fires saves enough of \
             its {false_alerts} alerts"
        );
    }
    if present_score.incidents_caught == 0 {
        return format!(
            "no bound that can fire catches any of the {} incidents on the training part of the history: the signal does \
             not show them",
            present_score.incidents
        );
    }
    format!(
        "nothing better was found: the present rule catches {} of {} incidents with {false_alerts} false alerts",
        present_score.incidents_caught, present_score.incidents
    )
}

/// Returns a band, and its score on the whole training part, if it beats the best constant and hourly bounds on the
/// validation part.
fn choose_band(
    instances: &[Instance<'_>],
    transformed: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    range: &SignalRange,
) -> Option<(Band, RuleScore)> {
    let validate_ms = time_at_share(instances, VALIDATION_FROM)?;
    let ((before, after), (transformed_before, transformed_after)) =
        (split_at(instances, validate_ms), split_at(transformed, validate_ms));
    // Incidents of the validation part must not reach the fits.
    let known = incidents_known_at(incidents, validate_ms);
    let present_score = score_rule(&before, &known, present);
    // Without incidents a learned constant is only quieter, so the band is compared with the present rule.
    let learned =
        if present_score.incidents == 0 { None } else { learn(&before, &known, present, &present_score, range) };
    let constant = learned.map_or(*present, |learned| learned.setting);
    let simple = score_rule(&after, incidents, &constant);
    let hourly =
        fit_hourly(&before, &known, present, &present_score, range).map(|hourly| hourly.score(&after, incidents));
    let simple = hourly.filter(|hourly| utility(hourly) > utility(&simple)).unwrap_or(simple);
    let trial = Band::fit(&transformed_before, &known, present).score(&transformed_after, incidents);
    let band = Band { scale: range.scale(), ..Band::fit(transformed, incidents, present) };
    let score = band.score(transformed, incidents);
    // A band that never fires, or that catches no incident, has no evidence.
    if score.alerts == 0 || (score.incidents > 0 && score.incidents_caught == 0) {
        return None;
    }
    let present_score = score_rule(&after, incidents, present);
    let keeps = |score: &RuleScore| score.incidents_caught >= present_score.incidents_caught;
    let worth_more = utility(&trial) > utility(&simple) || (keeps(&trial) && !keeps(&simple));
    // The simpler bounds catch nothing on the validation part; a clearly quieter band is accepted without a catch.
    let allowed_false_alerts = BAND_FALSE_SHARE_MAX * present_score.false_alerts as f64;
    let unproven = simple.incidents_caught == 0
        && trial.false_alerts < present_score.false_alerts
        && trial.false_alerts as f64 <= allowed_false_alerts;
    let fires_less = score.false_evaluations <= score_rule(instances, incidents, present).false_evaluations;
    // Few incidents hardly separate two bounds, so a band that does equally well is preferred: a constant fitted to one
    // or two incidents depends on their strength, and the next may be weaker.
    let as_well = trial.incidents_caught >= simple.incidents_caught && trial.false_alerts <= simple.false_alerts;
    let few = own_incidents(&known).count() <= FEW_INCIDENTS && as_well;
    ((worth_more || unproven || few) && fires_less).then_some((band, score))
}

/// Recommends the burn rates of an objective, whatever the present rule's score: the objective defines what should
/// alert.
fn decide_burn_rates(
    objective: Objective,
    instances: &[Instance<'_>],
    transformed: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
) -> Decision {
    let (present_score, proposed_score) = (
        score_rule(instances, incidents.unwrap_or_default(), present),
        Objective::score(transformed, incidents.unwrap_or_default()),
    );
    let promised = format!("{:.9}", 100.0 * (1.0 - objective.budget));
    let promised = promised.trim_end_matches('0').trim_end_matches('.');
    let what = format!("an objective of {promised} % over {}", format_duration(objective.period_ms));
    let reason = if incidents.is_some() {
        format!(
            "{what}: on the training part of the history its burn rates, pages and tickets together, catch {} of {} \
             incidents with {} false alerts, the present rule {} with {}",
            proposed_score.incidents_caught,
            proposed_score.incidents,
            proposed_score.false_alerts,
            present_score.incidents_caught,
            present_score.false_alerts
        )
    } else {
        format!(
            "{what}: on the training part of the history its burn rates alert {} times, pages and tickets together, the \
             present rule {} times",
            proposed_score.alerts, present_score.alerts
        )
    };
    let setting = Setting { bound: f64::NAN, for_ms: 0, keep_firing_for_ms: 0, ..*present };
    let moving = Some(MovingBound::BurnRate(objective));
    Decision { setting, moving, changed: true, reason, alternatives: Vec::new() }
}

/// Recommends the bound that is expected to be passed [`ALERTS_PER_YEAR_MAX`] times a year, if it at least halves the
/// alerts.
fn without_labels(instances: &[Instance<'_>], present: &Setting, range: &SignalRange) -> Decision {
    const UNKNOWN: &str = "no incidents are labelled, so false alerts and missed incidents cannot be counted";
    let Some(tail) = PeakTail::fit(instances, present) else {
        return keep_present(present, format!("{UNKNOWN}; too few peaks to judge the bound"));
    };
    let expected = tail.alerts_per_year(present.bound);
    if let Some(expected) = expected.filter(|expected| *expected <= ALERTS_PER_YEAR_MAX) {
        return keep_present(
            present,
            format!("{UNKNOWN}; the present bound is expected to be passed {expected:.1} times a year"),
        );
    }
    let comparison = present.comparison;
    // The tail extrapolates. A bound beyond every observed value would have no evidence, so it is clamped to them.
    let bound = range.whole(comparison, range.clamped(comparison, tail.bound(ALERTS_PER_YEAR_MAX)));
    let setting = Setting { bound, ..*present };
    let (present_alerts, proposed_alerts) =
        (score_rule(instances, &[], present).alerts, score_rule(instances, &[], &setting).alerts);
    if !range.allows(comparison, bound) || proposed_alerts == 0 || 2 * proposed_alerts > present_alerts {
        return keep_present(
            present,
            format!(
                "{UNKNOWN}; the present bound alerted {present_alerts} times on the training part of the history, and no \
                 bound that still fires halves that number"
            ),
        );
    }
    let present_rate = expected.map_or("many".to_owned(), |expected| format!("{expected:.0}"));
    let rate = tail.alerts_per_year(bound).unwrap_or(ALERTS_PER_YEAR_MAX);
    let reason = format!(
        "{UNKNOWN}; the proposed bound is expected to be passed {rate:.0} times a year, the present one {present_rate} \
         times"
    );
    Decision { setting, moving: None, changed: true, reason, alternatives: Vec::new() }
}

/// Returns the decision to keep the present setting.
fn keep_present(present: &Setting, reason: String) -> Decision {
    Decision { setting: *present, moving: None, changed: false, reason, alternatives: Vec::new() }
}
