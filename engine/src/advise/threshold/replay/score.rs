//! Scores a rule over a history: alerts, false alerts, caught incidents, leads.

use super::{AlertMachine, AlertState};
use crate::advise::threshold::Comparison;

const WEEK_MS: f64 = 604_800_000.0;

/// A labelled incident, both ends included, epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledIncident {
    /// First labelled time.
    pub start_ms: i64,
    /// Last labelled time.
    pub end_ms: i64,
    /// Whether the rule is scored on it; an alert during an incident of another target is neither right nor false.
    pub own: bool,
}

/// Values of one element of a rule's signal at the rule's evaluations.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Evaluation times, ascending, epoch milliseconds.
    pub timestamps: &'a [i64],
    /// Values, as many; NaN = missing.
    pub values: &'a [f64],
}

impl<'a> Instance<'a> {
    /// Returns the evaluations from `start_ms` on.
    pub(in crate::advise::threshold) fn from(&self, start_ms: i64) -> Instance<'a> {
        let at = self.timestamps.partition_point(|&t| t < start_ms);
        Instance { timestamps: &self.timestamps[at..], values: &self.values[at..] }
    }

    /// Returns the evaluations before `end_ms`.
    pub(in crate::advise::threshold) fn until(&self, end_ms: i64) -> Instance<'a> {
        let at = self.timestamps.partition_point(|&t| t < end_ms);
        Instance { timestamps: &self.timestamps[..at], values: &self.values[..at] }
    }
}

/// Splits all instances at a time, which belongs to the later part.
pub(in crate::advise::threshold) fn split_at<'a>(
    instances: &[Instance<'a>],
    at_ms: i64,
) -> (Vec<Instance<'a>>, Vec<Instance<'a>>) {
    instances.iter().map(|instance| (instance.until(at_ms), instance.from(at_ms))).unzip()
}

/// Returns the time at which a share of the common span of all instances has passed; `None` when they are empty.
pub(in crate::advise::threshold) fn time_at_share(instances: &[Instance<'_>], share: f64) -> Option<i64> {
    let first_ms = *instances.iter().filter_map(|instance| instance.timestamps.first()).min()?;
    let last_ms = *instances.iter().filter_map(|instance| instance.timestamps.last()).max()?;
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^53 ms")]
    let length = ((last_ms - first_ms) as f64 * share) as i64;
    Some(first_ms + length)
}

/// Settings of a rule that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// How the signal compares with the bound.
    pub comparison: Comparison,
    /// The bound.
    pub bound: f64,
    /// `for`, milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing_for_ms: i64,
}

/// Score of a rule over a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleScore {
    /// Number of times that an alert started to fire.
    pub alerts: usize,
    /// Number of these alerts that overlap no incident.
    pub false_alerts: usize,
    /// Number of the rule's own incidents in the span.
    pub incidents: usize,
    /// Number of these during which an alert fired.
    pub incidents_caught: usize,
    /// Time from the start of the alert to the start of the incident, for each caught incident, milliseconds; negative
    /// when the alert is later.
    pub leads_ms: Vec<i64>,
    /// Start of the alert that caught the incident, for each incident, epoch milliseconds; `None` for a missed one.
    pub fired_ms: Vec<Option<i64>>,
    /// Number of evaluations at which an alert fired outside of incidents.
    pub false_evaluations: usize,
    /// Number of evaluations of all instances.
    pub evaluations: usize,
    /// Length of the span, milliseconds.
    pub span_ms: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts and spans are far below 2^53")]
impl RuleScore {
    /// Returns the alerts a week.
    #[must_use]
    pub fn alerts_per_week(&self) -> f64 {
        self.per_week(self.alerts)
    }

    /// Returns the false alerts a week.
    #[must_use]
    pub fn false_alerts_per_week(&self) -> f64 {
        self.per_week(self.false_alerts)
    }

    /// Returns the share of the evaluations at which an alert fired outside of incidents.
    #[must_use]
    pub fn false_time_share(&self) -> f64 {
        if self.evaluations == 0 { 0.0 } else { self.false_evaluations as f64 / self.evaluations as f64 }
    }

    /// Returns the median lead in seconds; `None` when no incident was caught.
    #[must_use]
    pub fn median_lead_s(&self) -> Option<f64> {
        let mut leads = self.leads_ms.clone();
        leads.sort_unstable();
        let upper = *leads.get(leads.len() / 2)? as f64;
        let lower = *leads.get(leads.len().saturating_sub(1) / 2)? as f64;
        Some((lower + upper) / 2e3)
    }

    fn per_week(&self, count: usize) -> f64 {
        if self.span_ms > 0.0 { count as f64 * WEEK_MS / self.span_ms } else { 0.0 }
    }
}

/// Replays a rule. Each instance has its own alert, which starts inactive.
///
/// `incidents`: ascending and disjoint; those that end before the first evaluation or start after the last one are
/// ignored. An alert is false when it fires at no evaluation within an incident. Evaluations have equal weights.
#[must_use]
pub fn score_rule(instances: &[Instance<'_>], incidents: &[LabelledIncident], setting: &Setting) -> RuleScore {
    score_with(instances, incidents, setting, |_, value| setting.comparison.holds(value, setting.bound))
}

/// Replays a rule as [`score_rule`] does, with a bound that may depend on time. `breached` takes the evaluation time
/// and the value.
pub(in crate::advise::threshold) fn score_with(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    setting: &Setting,
    breached: impl Fn(i64, f64) -> bool,
) -> RuleScore {
    let first = instances.iter().filter_map(|instance| instance.timestamps.first()).min();
    let last = instances.iter().filter_map(|instance| instance.timestamps.last()).max();
    let (Some(&first_ms), Some(&last_ms)) = (first, last) else { return RuleScore::default() };
    let incidents: Vec<LabelledIncident> =
        incidents.iter().filter(|i| i.end_ms >= first_ms && i.start_ms <= last_ms).copied().collect();
    let step_ms = instances.iter().map(|instance| median_step(instance.timestamps)).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    let span_ms = (last_ms - first_ms + step_ms) as f64;
    let mut score = RuleScore { incidents: own_incidents(&incidents).count(), span_ms, ..RuleScore::default() };
    // Earliest start of an alert that fires within each incident, over all instances.
    let mut fired_at: Vec<Option<i64>> = vec![None; incidents.len()];
    for instance in instances {
        let mut alert = AlertMachine::new(setting.for_ms, setting.keep_firing_for_ms);
        // Start of the firing alert, and whether it has overlapped an incident.
        let mut episode: Option<(i64, bool)> = None;
        let mut next = 0;
        for (&now_ms, &value) in instance.timestamps.iter().zip(instance.values) {
            score.evaluations += 1;
            // Both sequences ascend, so `next` only moves forward.
            while incidents.get(next).is_some_and(|incident| incident.end_ms < now_ms) {
                next += 1;
            }
            let during = incidents.get(next).is_some_and(|incident| incident.start_ms <= now_ms);
            if alert.step(now_ms, breached(now_ms, value)) != AlertState::Firing {
                score.false_alerts += usize::from(episode.take().is_some_and(|(_, touched)| !touched));
                continue;
            }
            score.alerts += usize::from(episode.is_none());
            let (began_ms, touched) = episode.get_or_insert((now_ms, false));
            *touched |= during;
            if during {
                let earliest = fired_at[next].get_or_insert(*began_ms);
                *earliest = (*earliest).min(*began_ms);
            } else {
                score.false_evaluations += 1;
            }
        }
        score.false_alerts += usize::from(episode.is_some_and(|(_, touched)| !touched));
    }
    for (incident, fired_ms) in incidents.iter().zip(&fired_at).filter(|(incident, _)| incident.own) {
        score.fired_ms.push(*fired_ms);
        if let Some(fired_ms) = fired_ms {
            score.incidents_caught += 1;
            score.leads_ms.push(incident.start_ms.max(first_ms) - fired_ms);
        }
    }
    score
}

/// Returns the incidents that the rule is scored on.
pub(in crate::advise::threshold) fn own_incidents(
    incidents: &[LabelledIncident],
) -> impl Iterator<Item = &LabelledIncident> {
    incidents.iter().filter(|incident| incident.own)
}

/// Returns the median distance of neighbouring timestamps, milliseconds; 0 with fewer than two.
pub(in crate::advise::threshold) fn median_step(timestamps: &[i64]) -> i64 {
    let mut steps: Vec<i64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
    if steps.is_empty() {
        return 0;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable(middle).1
}

/// Converts runs of labelled rows to incidents.
pub(in crate::advise::threshold) fn incidents_of(timestamps: &[i64], labels: &[bool]) -> Vec<LabelledIncident> {
    let mut incidents: Vec<LabelledIncident> = Vec::new();
    let mut inside = false;
    for (&at_ms, &labelled) in timestamps.iter().zip(labels) {
        match incidents.last_mut() {
            Some(incident) if labelled && inside => incident.end_ms = at_ms,
            _ if labelled => incidents.push(LabelledIncident { start_ms: at_ms, end_ms: at_ms, own: true }),
            _ => {}
        }
        inside = labelled;
    }
    incidents
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn minutes(values: &[f64]) -> Vec<i64> {
        (0_i64..).take(values.len()).map(|minute| minute * MINUTE).collect()
    }

    fn above(bound: f64, for_min: i64) -> Setting {
        Setting { comparison: Comparison::Greater, bound, for_ms: for_min * MINUTE, keep_firing_for_ms: 0 }
    }

    fn incident(from_min: i64, to_min: i64) -> LabelledIncident {
        LabelledIncident { start_ms: from_min * MINUTE, end_ms: to_min * MINUTE, own: true }
    }

    /// Computed by hand: three alerts, one of them false; one of two incidents is caught, one minute early.
    #[test]
    fn a_small_history() {
        let values = [0.0, 9.0, 0.0, 0.0, 9.0, 9.0, 9.0, 0.0, 9.0, 0.0, f64::NAN, 0.0];
        let timestamps = minutes(&values);
        let instance = Instance { timestamps: &timestamps, values: &values };
        let score = score_rule(&[instance], &[incident(5, 8), incident(10, 11)], &above(5.0, 0));
        assert_eq!((score.alerts, score.false_alerts), (3, 1));
        assert_eq!((score.incidents, score.incidents_caught), (2, 1));
        assert_eq!(score.leads_ms, [MINUTE]);
        assert_eq!((score.false_evaluations, score.evaluations), (2, 12));
        assert_eq!(score.median_lead_s(), Some(60.0));
        // Twelve minutes are 1/840 of a week.
        assert!((score.alerts_per_week() - 3.0 * 840.0).abs() < 1e-9);
        // With `for: 1m` single peaks no longer fire, and the alert fires at the start of the incident.
        let held = score_rule(&[instance], &[incident(5, 8), incident(10, 11)], &above(5.0, 1));
        assert_eq!((held.alerts, held.false_alerts, held.leads_ms), (1, 0, vec![0]));
    }

    #[test]
    fn a_rule_that_always_fires_has_false_time() {
        let values = [9.0; 10];
        let timestamps = minutes(&values);
        let instance = Instance { timestamps: &timestamps, values: &values };
        let score = score_rule(&[instance], &[incident(4, 5)], &above(5.0, 0));
        assert_eq!((score.alerts, score.false_alerts, score.incidents_caught), (1, 0, 1));
        assert!((score.false_time_share() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn two_instances_catch_one_incident_once() {
        let (quiet, loud) = ([0.0, 0.0, 9.0, 0.0], [0.0, 9.0, 9.0, 0.0]);
        let timestamps = minutes(&quiet);
        let instances = [&quiet, &loud].map(|values| Instance { timestamps: &timestamps, values });
        let score = score_rule(&instances, &[incident(2, 3)], &above(5.0, 0));
        assert_eq!((score.alerts, score.incidents_caught, score.leads_ms), (2, 1, vec![MINUTE]));
    }

    /// An alert in an incident of another target is neither right nor false.
    #[test]
    fn incidents_of_other_targets_are_neutral() {
        let values = [0.0, 9.0, 9.0, 0.0, 9.0, 0.0];
        let timestamps = minutes(&values);
        let instance = Instance { timestamps: &timestamps, values: &values };
        let other = LabelledIncident { own: false, ..incident(1, 2) };
        let score = score_rule(&[instance], &[other, incident(5, 5)], &above(5.0, 0));
        assert_eq!((score.alerts, score.false_alerts, score.false_evaluations), (2, 1, 1));
        assert_eq!((score.incidents, score.incidents_caught, score.fired_ms), (1, 0, vec![None]));
    }

    #[test]
    fn runs_of_labels_are_incidents() {
        let labels = [true, false, true, true, false];
        assert_eq!(incidents_of(&minutes(&[0.0; 5]), &labels), [incident(0, 0), incident(2, 3)]);
        assert!(incidents_of(&[], &[]).is_empty());
    }

    #[test]
    fn an_empty_history_has_a_zero_score() {
        let score = score_rule(&[Instance { timestamps: &[], values: &[] }], &[incident(0, 1)], &above(5.0, 0));
        assert_eq!(score, RuleScore::default());
        assert_eq!((score.alerts_per_week(), score.false_time_share(), score.median_lead_s()), (0.0, 0.0, None));
    }
}
