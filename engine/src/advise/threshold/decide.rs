use super::{
    Instance, LabelledIncident, PeakTail, RuleScore, Setting,
    hourly::{HourlyBounds, learn_hourly},
    learn::learn,
    score::score_rule,
    tail::BEARABLE_PER_YEAR,
};

/// What is recommended in place of a rule's present setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    /// Bound and `for`; the present ones where nothing is better.
    pub(super) setting: Setting,
    /// Bounds by hour of week in place of the bound.
    pub(super) hourly: Option<HourlyBounds>,
    /// Whether anything differs from the present setting.
    pub(super) changed: bool,
    /// Why, in one sentence.
    pub(super) reason: String,
}

/// A decision made before a split and scored after it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) decision: Decision,
    /// What the present rule did after the split.
    pub(super) present: RuleScore,
    /// What the recommended one would have done.
    pub(super) recommended: RuleScore,
    /// The tail of the signal, where nobody labelled.
    pub(super) tail: Option<PeakTail>,
}

/// Learns from what lies before `split_ms` alone, and scores what lies after it.
pub(super) fn judge(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    split_ms: i64,
    moving_bounds: bool,
) -> Judged {
    let before: Vec<Instance<'_>> = instances.iter().map(|instance| instance.until(split_ms)).collect();
    let after: Vec<Instance<'_>> = instances.iter().map(|instance| instance.from(split_ms)).collect();
    let known: Option<Vec<LabelledIncident>> = incidents.map(|all| {
        let begun = all.iter().filter(|incident| incident.start_ms < split_ms);
        begun.map(|i| LabelledIncident { end_ms: i.end_ms.min(split_ms - 1), ..*i }).collect()
    });
    let later: Vec<LabelledIncident> = incidents.map_or(Vec::new(), |all| {
        let left = all.iter().filter(|incident| incident.end_ms >= split_ms);
        left.map(|i| LabelledIncident { start_ms: i.start_ms.max(split_ms), ..*i }).collect()
    });
    let decision = decide(&before, known.as_deref(), present, moving_bounds);
    let score = match &decision.hourly {
        Some(hourly) => hourly.score(&after, &later),
        None => score_rule(&after, &later, &decision.setting),
    };
    Judged {
        present: score_rule(&after, &later, present),
        recommended: score,
        tail: if incidents.is_none() { PeakTail::fit(&before, present) } else { None },
        decision,
    }
}

/// Decides on a rule from its history.
///
/// `incidents`: `None` where nobody labelled; then only the number of alerts can be judged.
fn decide(
    instances: &[Instance<'_>],
    incidents: Option<&[LabelledIncident]>,
    present: &Setting,
    moving_bounds: bool,
) -> Decision {
    match incidents {
        Some(incidents) => with_labels(instances, incidents, present, moving_bounds),
        None => without_labels(instances, present),
    }
}

fn with_labels(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    moving_bounds: bool,
) -> Decision {
    let now = score_rule(instances, incidents, present);
    if now.incidents == 0 {
        return keep(present, "no labelled incident in the history: nothing to learn from".to_owned());
    }
    let learned = learn(instances, incidents, present, &now);
    let constant = learned.as_ref().map_or(&now, |learned| &learned.score);
    let hourly = if moving_bounds { learn_hourly(instances, incidents, present, constant) } else { None };
    let told = |caught: usize, false_alerts: usize| {
        format!(
            "in the history learned from it catches {caught} of {} incidents with {false_alerts} false alerts, \
             the present rule {} with {}",
            now.incidents, now.incidents_caught, now.false_alerts
        )
    };
    if let Some(hourly) = hourly {
        let score = hourly.score(instances, incidents);
        let reason = format!("bounds by hour of week: {}", told(score.incidents_caught, score.false_alerts));
        return Decision { setting: hourly.setting, hourly: Some(hourly), changed: true, reason };
    }
    match learned {
        Some(learned) => Decision {
            setting: learned.setting,
            hourly: None,
            changed: true,
            reason: told(learned.score.incidents_caught, learned.score.false_alerts),
        },
        None => keep(
            present,
            format!(
                "nothing better was found: the present rule catches {} of {} incidents with {} false alerts",
                now.incidents_caught, now.incidents, now.false_alerts
            ),
        ),
    }
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
            Decision { setting, hourly: None, changed: true, reason }
        }
    }
}

fn keep(present: &Setting, reason: String) -> Decision {
    Decision { setting: *present, hourly: None, changed: false, reason }
}
