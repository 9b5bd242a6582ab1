use super::{
    band::{Band, band_rules, merit},
    burn_rate::Objective,
    hourly::{HourlyBounds, fit_hourly, learn_hourly},
    learn::{FEW_INCIDENTS, learn},
    tail::{BEARABLE_PER_YEAR, PeakTail},
};
use crate::advise::threshold::{
    Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_duration,
    replay::{cut, passed},
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
pub(in crate::advise::threshold) fn judge(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    split_ms: i64,
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
        _ => decide(&before, known.as_deref(), present, hourly, views_before.as_deref()),
    };
    let score = match (&decision.moving, &views_after) {
        (Some(Moving::Hourly(hourly)), _) => hourly.score(&after, &later),
        (Some(Moving::Band(band)), Some(views)) => band.score(views, &later),
        (Some(Moving::BurnRate(_)), Some(views)) => Objective::score(views, &later),
        _ => score_rule(&after, &later, &decision.setting),
    };
    Judged {
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
    hourly: bool,
    views: Option<&[Instance<'_>]>,
) -> Decision {
    match incidents {
        Some(incidents) => with_labels(instances, incidents, present, hourly, views),
        None => without_labels(instances, present),
    }
}

fn with_labels(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    hourly: bool,
    views: Option<&[Instance<'_>]>,
) -> Decision {
    let now = score_rule(instances, incidents, present);
    let band = views.and_then(|views| contest(instances, views, incidents, present));
    let told = |caught: usize, false_alerts: usize| {
        format!(
            "in the history learned from it catches {caught} of {} incidents with {false_alerts} false alerts, \
             the present rule {} with {}",
            now.incidents, now.incidents_caught, now.false_alerts
        )
    };
    if let Some((band, score)) = band {
        let setting = Setting { bound: f64::NAN, ..band.setting };
        let reason = format!("a band around what is expected: {}", told(score.incidents_caught, score.false_alerts));
        let moving = Some(Moving::Band(band));
        return Decision {
            setting: Setting { comparison: present.comparison, ..setting },
            moving,
            changed: true,
            reason,
        };
    }
    let learned = learn(instances, incidents, present, &now);
    let constant = learned.as_ref().map_or(&now, |learned| &learned.score);
    let hourly = if hourly { learn_hourly(instances, incidents, present, constant) } else { None };
    if let Some(hourly) = hourly {
        let score = hourly.score(instances, incidents);
        let reason = format!("bounds by hour of week: {}", told(score.incidents_caught, score.false_alerts));
        return Decision { setting: hourly.setting, moving: Some(Moving::Hourly(hourly)), changed: true, reason };
    }
    match learned {
        Some(learned) => Decision {
            setting: learned.setting,
            moving: None,
            changed: true,
            reason: told(learned.score.incidents_caught, learned.score.false_alerts),
        },
        None if now.incidents == 0 => keep(
            present,
            format!(
                "no labelled incident in the history learned from, and hardly a false alert to be rid of: the present rule has {}",
                now.false_alerts
            ),
        ),
        None => keep(
            present,
            format!(
                "nothing better was found: the present rule catches {} of {} incidents with {} false alerts",
                now.incidents_caught, now.incidents, now.false_alerts
            ),
        ),
    }
}

/// A band where it beats the best bounds that need no forecast on history that neither has seen, with its score on all of it.
fn contest(
    instances: &[Instance<'_>],
    views: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
) -> Option<(Band, RuleScore)> {
    let validate_ms = passed(instances, VALIDATION_FROM)?;
    let ((before, after), (views_before, views_after)) = (cut(instances, validate_ms), cut(views, validate_ms));
    // What lies in the part that validates is not known to what is fitted before it.
    let known = known_at(incidents, validate_ms);
    let now = score_rule(&before, &known, present);
    // A constant bound that is merely quieter has shown nothing: the band is held against the rule as it is.
    let learned = if now.incidents == 0 { None } else { learn(&before, &known, present, &now) };
    let constant = learned.map_or(*present, |learned| learned.setting);
    let simple = score_rule(&after, incidents, &constant);
    let hourly = fit_hourly(&before, &known, present, &now).map(|hourly| hourly.score(&after, incidents));
    let simple = hourly.filter(|hourly| merit(hourly) > merit(&simple)).unwrap_or(simple);
    let trial = Band::fit(&views_before, &known, present).score(&views_after, incidents);
    let band = Band::fit(views, incidents, present);
    let score = band.score(views, incidents);
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
    let few = known.len() <= FEW_INCIDENTS && as_well;
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
    Decision { setting, moving: Some(Moving::BurnRate(objective)), changed: true, reason }
}

fn without_labels(instances: &[Instance<'_>], present: &Setting) -> Decision {
    const UNKNOWN: &str = "no incidents are labelled, so which alerts are false and what is missed cannot be known";
    let Some(tail) = PeakTail::fit(instances, present) else {
        return keep(present, format!("{UNKNOWN}; too few peaks to judge the bound"));
    };
    match tail.alerts_per_year(present.bound) {
        Some(expected) if expected <= BEARABLE_PER_YEAR => {
            keep(present, format!("{UNKNOWN}; the present bound is expected to be passed {expected:.1} times a year"))
        }
        expected => {
            let setting = Setting { bound: tail.bound(BEARABLE_PER_YEAR), ..*present };
            let now = expected.map_or("many".to_owned(), |expected| format!("{expected:.0}"));
            let then = tail.alerts_per_year(setting.bound).unwrap_or(BEARABLE_PER_YEAR);
            let reason =
                format!("{UNKNOWN}; it is expected to be passed {then:.0} times a year, the present bound {now} times");
            Decision { setting, moving: None, changed: true, reason }
        }
    }
}

fn keep(present: &Setting, reason: String) -> Decision {
    Decision { setting: *present, moving: None, changed: false, reason }
}
