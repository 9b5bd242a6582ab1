//! Chooses what to recommend in place of a rule, from history before a split, and scores it after.

use super::{
    band::{Band, band_rules},
    burn_rate::Objective,
    hourly::{HourlyBounds, fit_hourly, learn_hourly},
    learn::{Choice, FEW_INCIDENTS, Learned, choose, learn, merit},
    range::SignalRange,
    tail::{BEARABLE_PER_YEAR, PeakTail},
};
use crate::advise::threshold::{
    Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_duration,
    replay::{cut, own, passed},
    score_rule,
};

/// Share of what is learned from before which bounds are fitted for the choice between them.
const VALIDATION_FROM: f64 = 0.6;
/// Where the simpler bounds have caught nothing to show for themselves, a band needs to have at most this share of the present
/// rule's false alerts.
const BAND_FALSE: f64 = 0.3;

/// A bound that moves.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) enum Moving {
    /// By hour of week.
    Hourly(HourlyBounds),
    /// With what is expected.
    Band(Band),
    /// No bound on the signal itself but on how fast it burns the budget of an objective.
    BurnRate(Objective),
}

impl Moving {
    /// The expression of the alert, and the recording rules that it reads.
    ///
    /// `rule`: the present one; `signal`: name under which the rule's signal is learned; `name`: of the bound's recording rule.
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

/// What is recommended in place of a rule's present setting.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct Decision {
    /// Bound and `for`; the present ones where nothing is better.
    pub(in crate::advise::threshold) setting: Setting,
    /// What stands in place of the bound.
    pub(in crate::advise::threshold) moving: Option<Moving>,
    /// Whether anything differs from the present setting.
    pub(in crate::advise::threshold) changed: bool,
    /// Why, in one sentence.
    pub(in crate::advise::threshold) reason: String,
    /// What a person may choose instead: names and settings.
    alternatives: Vec<(&'static str, Setting)>,
}

/// A setting that is not the recommended one but may suit a person better.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// `fewer_alerts`: fewer false alerts than the recommended one, and fewer incidents caught.
    pub name: &'static str,
    /// The setting.
    pub setting: Setting,
    /// What it would have done after the split.
    pub score: RuleScore,
}

/// A decision made before a split and scored after it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct Judged {
    pub(in crate::advise::threshold) decision: Decision,
    /// What the present rule did after the split.
    pub(in crate::advise::threshold) present: RuleScore,
    /// What the recommended one would have done.
    pub(in crate::advise::threshold) recommended: RuleScore,
    /// The tail of the signal, where nobody labelled.
    pub(in crate::advise::threshold) tail: Option<PeakTail>,
    /// What a person may choose instead.
    pub(in crate::advise::threshold) alternatives: Vec<Alternative>,
}

/// What may stand in place of a constant bound.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::advise::threshold) struct Allowed {
    /// Bounds by hour of week.
    pub(in crate::advise::threshold) hourly: bool,
    /// A band around what is expected.
    pub(in crate::advise::threshold) band: bool,
    /// The burn rates of the objective that the rule watches; they are then taken.
    pub(in crate::advise::threshold) objective: Option<Objective>,
}

/// Learns from what lies before `split_ms` alone, and scores what lies after it.
///
/// `called`: the signal's expression and name, whose words say what it counts.
pub(in crate::advise::threshold) fn judge(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    split_ms: i64,
    called: &str,
    Allowed { hourly, band, objective }: Allowed,
) -> Judged {
    let (before, after) = cut(instances, split_ms);
    let known = incidents.map(|all| known_at(all, split_ms));
    let later: Vec<LabelledIncident> = incidents.map_or(Vec::new(), |all| {
        let left = all.iter().filter(|incident| incident.end_ms >= split_ms);
        left.map(|i| LabelledIncident { start_ms: i.start_ms.max(split_ms), ..*i }).collect()
    });
    let views = match objective {
        Some(objective) => Some(objective.burns(instances)),
        // Without labels nothing tells a band from another.
        None => (band && incidents.is_some()).then(|| Band::distances(instances)),
    };
    let views = views.as_ref().map(|views| views.of(instances));
    let (views_before, views_after) = views.map(|views| cut(&views, split_ms)).unzip();
    let decision = match (objective, &views_before) {
        (Some(objective), Some(views)) => burning(objective, &before, views, known.as_deref(), present),
        _ => {
            let range = SignalRange::of(&before, called, present.bound);
            decide(&before, known.as_deref(), present, &range, hourly, views_before.as_deref())
        }
    };
    let score = match (&decision.moving, &views_after) {
        (Some(Moving::Hourly(hourly)), _) => hourly.score(&after, &later),
        (Some(Moving::Band(band)), Some(views)) => band.score(views, &later),
        (Some(Moving::BurnRate(_)), Some(views)) => Objective::score(views, &later),
        _ => score_rule(&after, &later, &decision.setting),
    };
    let alternatives = decision
        .alternatives
        .iter()
        .map(|&(name, setting)| Alternative { name, setting, score: score_rule(&after, &later, &setting) })
        .collect();
    Judged {
        alternatives,
        present: score_rule(&after, &later, present),
        recommended: score,
        tail: if incidents.is_none() { PeakTail::fit(&before, present) } else { None },
        decision,
    }
}

/// What is known of the incidents before an instant.
fn known_at(incidents: &[LabelledIncident], at_ms: i64) -> Vec<LabelledIncident> {
    let begun = incidents.iter().filter(|incident| incident.start_ms < at_ms);
    begun.map(|incident| LabelledIncident { end_ms: incident.end_ms.min(at_ms - 1), ..*incident }).collect()
}

/// Decides on a rule from its history.
///
/// `incidents`: `None` where nobody labelled; then only the number of alerts can be judged, and no bound moves. `hourly`: whether
/// bounds by hour of week may be taken; `views`: the instances as distances from what is expected, where a band may be.
fn decide(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    range: &SignalRange,
    hourly: bool,
    views: Option<&[Instance<'_>]>,
) -> Decision {
    if range.is_state() {
        let reason = format!("the signal has {}: it is a state, which has no better bound", range.states());
        return keep(present, reason);
    }
    match incidents {
        Some(incidents) => with_labels(instances, incidents, present, range, hourly, views),
        None => without_labels(instances, present, range),
    }
}

fn with_labels(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    range: &SignalRange,
    hourly: bool,
    views: Option<&[Instance<'_>]>,
) -> Decision {
    let now = score_rule(instances, incidents, present);
    if let Some((band, score)) = views.and_then(|views| contest(instances, views, incidents, present, range)) {
        let setting = Setting { bound: f64::NAN, comparison: present.comparison, ..band.setting };
        let reason = format!("a band around what is expected: {}", learned_from(&score, &now));
        return Decision { setting, moving: Some(Moving::Band(band)), changed: true, reason, alternatives: Vec::new() };
    }
    let Choice { best, fewer_alerts } = choose(instances, incidents, present, &now, range);
    let constant = best.as_ref().map_or(&now, |learned| &learned.score);
    let hourly = if hourly { learn_hourly(instances, incidents, present, constant, range) } else { None };
    let alternatives = fewer_alerts.map(|learned| ("fewer_alerts", learned.setting)).into_iter().collect();
    if let Some(hourly) = hourly {
        let score = hourly.score(instances, incidents);
        let reason = format!("bounds by hour of week: {}", learned_from(&score, &now));
        let setting = hourly.setting;
        return Decision { setting, moving: Some(Moving::Hourly(hourly)), changed: true, reason, alternatives };
    }
    match best {
        Some(Learned { setting, score }) => {
            Decision { setting, moving: None, changed: true, reason: learned_from(&score, &now), alternatives }
        }
        None => Decision { alternatives, ..keep(present, why_kept(&now)) },
    }
}

fn learned_from(score: &RuleScore, now: &RuleScore) -> String {
    format!(
        "in the history learned from it catches {} of {} incidents with {} false alerts, the present rule {} with {}",
        score.incidents_caught, now.incidents, score.false_alerts, now.incidents_caught, now.false_alerts
    )
}

/// Why the present setting is as good as any, with its figures.
fn why_kept(now: &RuleScore) -> String {
    let false_alerts = now.false_alerts;
    if now.incidents == 0 {
        return format!(
            "no incident is labelled in the history learned from, and of its {false_alerts} alerts no bound that still fires would save \
             nine in ten"
        );
    }
    if now.incidents_caught == 0 {
        return format!(
            "no bound that can fire catches any of the {} incidents in the history learned from: the signal shows nothing of them",
            now.incidents
        );
    }
    format!(
        "nothing better was found: the present rule catches {} of {} incidents with {false_alerts} false alerts",
        now.incidents_caught, now.incidents
    )
}

/// A band where it beats the best bounds that need no forecast on history that neither has seen, with its score on all of it.
fn contest(
    instances: &[Instance<'_>],
    views: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    range: &SignalRange,
) -> Option<(Band, RuleScore)> {
    let validate_ms = passed(instances, VALIDATION_FROM)?;
    let ((before, after), (views_before, views_after)) = (cut(instances, validate_ms), cut(views, validate_ms));
    // What lies in the part that validates is not known to what is fitted before it.
    let known = known_at(incidents, validate_ms);
    let now = score_rule(&before, &known, present);
    // A constant bound that is merely quieter has shown nothing: the band is held against the rule as it is.
    let learned = if now.incidents == 0 { None } else { learn(&before, &known, present, &now, range) };
    let constant = learned.map_or(*present, |learned| learned.setting);
    let simple = score_rule(&after, incidents, &constant);
    let hourly = fit_hourly(&before, &known, present, &now, range).map(|hourly| hourly.score(&after, incidents));
    let simple = hourly.filter(|hourly| merit(hourly) > merit(&simple)).unwrap_or(simple);
    let trial = Band::fit(&views_before, &known, present).score(&views_after, incidents);
    let band = Band { scale: range.scale(), ..Band::fit(views, incidents, present) };
    let score = band.score(views, incidents);
    // What nothing in the history passes, or what shows nothing of the incidents, proves nothing.
    if score.alerts == 0 || (score.incidents > 0 && score.incidents_caught == 0) {
        return None;
    }
    let now = score_rule(&after, incidents, present);
    let keeps = |score: &RuleScore| score.incidents_caught >= now.incidents_caught;
    let worth_more = merit(&trial) > merit(&simple) || (keeps(&trial) && !keeps(&simple));
    // A bound fitted to one or two incidents is fitted to their strength: the next may be weaker.
    let borne = BAND_FALSE * now.false_alerts as f64;
    let unproven =
        simple.incidents_caught == 0 && trial.false_alerts < now.false_alerts && trial.false_alerts as f64 <= borne;
    let fires_less = score.false_evaluations <= score_rule(instances, incidents, present).false_evaluations;
    // So few tell two bounds hardly apart: then the one that follows the signal is taken where it does as well.
    let as_well = trial.incidents_caught >= simple.incidents_caught && trial.false_alerts <= simple.false_alerts;
    let few = own(&known).count() <= FEW_INCIDENTS && as_well;
    ((worth_more || unproven || few) && fires_less).then_some((band, score))
}

/// The burn rates of an objective, whatever the present rule does: what it promises is a budget.
fn burning(
    objective: Objective,
    instances: &[Instance<'_>],
    views: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
) -> Decision {
    let (now, then) = (
        score_rule(instances, incidents.unwrap_or_default(), present),
        Objective::score(views, incidents.unwrap_or_default()),
    );
    let promised = format!("{:.9}", 100.0 * (1.0 - objective.budget));
    let promised = promised.trim_end_matches('0').trim_end_matches('.');
    let what = format!("an objective of {promised} % over {}", format_duration(objective.period_ms));
    let reason = if incidents.is_some() {
        format!(
            "{what}: in the history learned from its burn rates, pages and tickets together, catch {} of {} incidents with {} false alerts, the present rule {} with {}",
            then.incidents_caught, then.incidents, then.false_alerts, now.incidents_caught, now.false_alerts
        )
    } else {
        format!(
            "{what}: in the history learned from its burn rates alert {} times, pages and tickets together, the present rule {}",
            then.alerts, now.alerts
        )
    };
    let setting = Setting { bound: f64::NAN, for_ms: 0, keep_firing_for_ms: 0, ..*present };
    let moving = Some(Moving::BurnRate(objective));
    Decision { setting, moving, changed: true, reason, alternatives: Vec::new() }
}

fn without_labels(instances: &[Instance<'_>], present: &Setting, range: &SignalRange) -> Decision {
    const UNKNOWN: &str = "no incidents are labelled, so which alerts are false and what is missed cannot be known";
    let Some(tail) = PeakTail::fit(instances, present) else {
        return keep(present, format!("{UNKNOWN}; too few peaks to judge the bound"));
    };
    let expected = tail.alerts_per_year(present.bound);
    if let Some(expected) = expected.filter(|expected| *expected <= BEARABLE_PER_YEAR) {
        return keep(
            present,
            format!("{UNKNOWN}; the present bound is expected to be passed {expected:.1} times a year"),
        );
    }
    let comparison = present.comparison;
    // The tail reaches beyond what was seen; a bound there is proved by nothing.
    let bound = range.whole(comparison, range.clamped(comparison, tail.bound(BEARABLE_PER_YEAR)));
    let setting = Setting { bound, ..*present };
    let (now, then) = (score_rule(instances, &[], present).alerts, score_rule(instances, &[], &setting).alerts);
    if !range.allows(comparison, bound) || then == 0 || 2 * then > now {
        return keep(
            present,
            format!(
                "{UNKNOWN}; the present bound alerted {now} times in the history learned from, and none that still fires halves that"
            ),
        );
    }
    let present_rate = expected.map_or("many".to_owned(), |expected| format!("{expected:.0}"));
    let rate = tail.alerts_per_year(bound).unwrap_or(BEARABLE_PER_YEAR);
    let reason = format!(
        "{UNKNOWN}; it is expected to be passed {rate:.0} times a year, the present bound {present_rate} times"
    );
    Decision { setting, moving: None, changed: true, reason, alternatives: Vec::new() }
}

fn keep(present: &Setting, reason: String) -> Decision {
    Decision { setting: *present, moving: None, changed: false, reason, alternatives: Vec::new() }
}
