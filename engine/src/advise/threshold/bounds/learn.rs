//! Learns a constant bound and `for` from labelled incidents: the lowest cost, and of equal costs the smallest change.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::{
    levels::{SustainedLevels, round_within},
    range::SignalRange,
};
use crate::advise::threshold::{
    Instance, LabelledIncident, RuleScore, Setting,
    replay::{median_step, own_incidents},
    score_rule,
};

const HOUR_MS: f64 = 3_600_000.0;
/// Values of `for` that are tried, in evaluation intervals.
const FOR_STEPS: [i64; 10] = [0, 1, 2, 3, 4, 5, 10, 15, 20, 30];
/// Number of false alerts that cost as much as one missed incident. Tried values: `docs/tuning/threshold.md`.
const FALSE_ALERTS_PER_MISS: f64 = 10.0;
/// Factor on the incidents that are expected to be weaker than every known one, because later incidents are not drawn
/// from the same distribution. Tried values: `docs/tuning/threshold.md`.
const WEAKER_INCIDENTS_FACTOR: f64 = 5.0;
/// Maximum share of the false alerts that a change may leave if it catches no more incidents: a smaller gain does not
/// justify a review. Tried values: `docs/tuning/threshold.md`.
const FALSE_SHARE_MAX: f64 = 0.5;
/// Cost of a changed `for`, in false alerts: a longer one delays every alert and misses short incidents. Tried values:
/// `docs/tuning/threshold.md`.
const FOR_CHANGE_COST: f64 = 10.0;
/// Maximum number of incidents that are too few to estimate how weak the next one may be. The bound nearest to the
/// present one is then chosen whose share of the present false alerts is at most [`FEW_INCIDENTS_FALSE_SHARE`]. Tried
/// values: `docs/tuning/threshold.md`.
pub(in crate::advise::threshold) const FEW_INCIDENTS: usize = 2;
/// Maximum share of the present false alerts with few incidents. Tried values: `docs/tuning/threshold.md`.
const FEW_INCIDENTS_FALSE_SHARE: f64 = 0.2;
/// Share of a bound's change that rounding to fewer digits may take.
const ROUNDING: f64 = 0.1;

/// A setting with its score on the training part.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct ScoredSetting {
    pub(in crate::advise::threshold) setting: Setting,
    pub(in crate::advise::threshold) score: RuleScore,
}

/// A setting that is tried.
#[derive(Debug, Clone)]
struct Candidate {
    learned: ScoredSetting,
    /// Distance of the bound from the present one, as a share of the distance to the weakest incident that it catches;
    /// in [0, 1].
    margin_used: f64,
}

/// Settings learned for a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::advise::threshold) struct LearnedSettings {
    /// The setting to recommend; `None` where nothing is better than the present one.
    pub(in crate::advise::threshold) best: Option<ScoredSetting>,
    /// An alternative with fewer false alerts that misses more incidents.
    pub(in crate::advise::threshold) fewer_alerts: Option<ScoredSetting>,
}

/// Returns the best setting; `None` where nothing is better than the present one. See [`choose`].
pub(in crate::advise::threshold) fn learn(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    present_score: &RuleScore,
    range: &SignalRange,
) -> Option<ScoredSetting> {
    choose(instances, incidents, present, present_score, range).best
}

/// Chooses the bound and `for` of the lowest cost that catch at least as many incidents as the present rule.
///
/// `present_score`: score of the present rule on the same history. Candidates can fire, did fire, catch at least as
/// many incidents as the present rule, and fire no longer outside of incidents. The cost counts false alerts, missed
/// incidents, and incidents that will be missed. With n known incidents, n/(n + 1) of the next n are expected to be
/// weaker than the weakest known one; a bound is charged the share of these by which it approaches that incident. Of
/// equal costs the smallest change wins.
pub(in crate::advise::threshold) fn choose(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    present_score: &RuleScore,
    range: &SignalRange,
) -> LearnedSettings {
    let step_ms = instances.iter().map(|instance| median_step(instance.timestamps)).max().unwrap_or(0).max(1);
    let candidates: Vec<Candidate> = durations_to_try(incidents, present, step_ms)
        .into_iter()
        .flat_map(|for_ms| score_bounds(instances, incidents, &Setting { for_ms, ..*present }, present))
        .filter(|candidate| {
            let ScoredSetting { setting, score } = &candidate.learned;
            let may = *setting == *present || range.allows(setting.comparison, setting.bound);
            let catches = present_score.incidents == 0 || score.incidents_caught > 0;
            // When the present rule catches nothing, a rule that fires often enough catches incidents by chance.
            let by_merit =
                present_score.incidents == 0 || present_score.incidents_caught > 0 || beyond_chance(score, incidents);
            may && score.alerts > 0 && catches && by_merit && fires_no_longer(score, present_score)
        })
        .collect();
    let few = present_score.incidents <= FEW_INCIDENTS;
    let is_better = |learned: &ScoredSetting| improves(&learned.score, present_score);
    let incident_evaluations = evaluations_per_incident(incidents, step_ms);
    let quiet = if few { nearest_quiet(&candidates, present, present_score).filter(is_better) } else { None };
    let best = quiet
        .or_else(|| cheapest(&candidates, present, present_score, incident_evaluations).filter(is_better))
        .map(|learned| rounded(instances, incidents, learned, present, range));
    let fewer_alerts =
        fewer_alerts(&candidates, best.as_ref().map_or(present_score, |best| &best.score), present_score);
    let fewer_alerts = fewer_alerts.map(|learned| rounded(instances, incidents, learned, present, range));
    LearnedSettings { best, fewer_alerts }
}

/// Significance level of the test against chance; low, because dozens of bounds are tried.
const CHANCE_MAX: f64 = 0.001;

/// Returns whether a rule catches more incidents than its false alerts would at random times. One-sided binomial test:
/// under the null hypothesis an incident is caught with the probability that one of the false alerts, spread evenly,
/// falls into it.
#[expect(clippy::cast_precision_loss, reason = "counts and spans are far below 2^53")]
fn beyond_chance(score: &RuleScore, incidents: &[LabelledIncident]) -> bool {
    let lengths: f64 = incidents.iter().map(|incident| (incident.end_ms - incident.start_ms) as f64).sum();
    let mean_ms = lengths / incidents.len().max(1) as f64;
    let quiet_ms = (score.span_ms - lengths).max(1.0);
    let by_chance = 1.0 - (-(score.false_alerts as f64) * mean_ms / quiet_ms).exp();
    match Binomial::new(by_chance, score.incidents as u64) {
        Ok(chance) => score.incidents_caught > 0 && chance.sf(score.incidents_caught as u64 - 1) < CHANCE_MAX,
        Err(_) => false,
    }
}

/// Scores all bounds to try with one `for`.
fn score_bounds(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    setting: &Setting,
    present: &Setting,
) -> Vec<Candidate> {
    let sign = setting.comparison.sign();
    let levels = SustainedLevels::of(instances, incidents, setting);
    let (present_level, weakest) = (sign * present.bound, |bound: f64| levels.weakest_above(bound));
    levels
        .bounds(setting)
        .into_iter()
        .map(|bound| {
            let setting = Setting { bound, ..*setting };
            let score = score_rule(instances, incidents, &setting);
            let margin_used = match weakest(sign * bound) {
                Some(weakest) if weakest > present_level => {
                    ((sign * bound - present_level) / (weakest - present_level)).clamp(0.0, 1.0)
                }
                _ => 0.0,
            };
            Candidate { learned: ScoredSetting { setting, score }, margin_used }
        })
        .collect()
}

/// Returns the mean length of an incident in evaluations; that of an hour without incidents.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn evaluations_per_incident(incidents: &[LabelledIncident], step_ms: i64) -> f64 {
    let lengths: Vec<i64> = own_incidents(incidents).map(|incident| incident.end_ms - incident.start_ms).collect();
    let mean_ms = if lengths.is_empty() { HOUR_MS } else { lengths.iter().sum::<i64>() as f64 / lengths.len() as f64 };
    (mean_ms / step_ms as f64).max(1.0)
}

/// Returns the false alerts plus the time that the rule fires outside of incidents, in mean incident lengths. The time
/// exposes a rule that always fires: its single alert overlaps every incident and is not false.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn false_alert_load(score: &RuleScore, incident_evaluations: f64) -> f64 {
    score.false_alerts as f64 + score.false_evaluations as f64 / incident_evaluations
}

/// Returns the cost of a setting, in false alerts.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn total_cost(candidate: &Candidate, present: &Setting, incident_evaluations: f64) -> f64 {
    let ScoredSetting { setting, score } = &candidate.learned;
    let known = score.incidents as f64;
    let expected = WEAKER_INCIDENTS_FACTOR * candidate.margin_used * known / (known + 1.0);
    let missed = (score.incidents - score.incidents_caught) as f64 + expected;
    let held = if setting.for_ms == present.for_ms { 0.0 } else { FOR_CHANGE_COST };
    false_alert_load(score, incident_evaluations) + FALSE_ALERTS_PER_MISS * missed + held
}

/// Orders two settings by their distance from the present one: first by `for`, then by bound.
fn compare_change(a: &Setting, b: &Setting, present: &Setting) -> std::cmp::Ordering {
    let for_change = |setting: &Setting| (setting.for_ms - present.for_ms).abs();
    let bound = |setting: &Setting| (setting.bound - present.bound).abs();
    for_change(a).cmp(&for_change(b)).then(bound(a).total_cmp(&bound(b)))
}

/// Returns the setting of the lowest cost that catches at least as many incidents as the present one. The present
/// setting is a candidate too.
fn cheapest(
    candidates: &[Candidate],
    present: &Setting,
    present_score: &RuleScore,
    incident_evaluations: f64,
) -> Option<ScoredSetting> {
    let is_worthwhile = |score: &RuleScore| {
        score.incidents_caught > present_score.incidents_caught
            || (score.incidents_caught == present_score.incidents_caught
                && false_alert_load(score, incident_evaluations)
                    <= FALSE_SHARE_MAX * false_alert_load(present_score, incident_evaluations))
    };
    candidates
        .iter()
        .filter(|candidate| candidate.learned.setting == *present || is_worthwhile(&candidate.learned.score))
        .min_by(|a, b| {
            let by_cost =
                total_cost(a, present, incident_evaluations).total_cmp(&total_cost(b, present, incident_evaluations));
            by_cost.then_with(|| compare_change(&a.learned.setting, &b.learned.setting, present))
        })
        .map(|candidate| candidate.learned.clone())
}

/// Returns, of the settings with few false alerts that catch the most incidents, the one nearest to the present one;
/// `None` when no setting has few false alerts.
fn nearest_quiet(candidates: &[Candidate], present: &Setting, present_score: &RuleScore) -> Option<ScoredSetting> {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let few =
        |score: &RuleScore| score.false_alerts as f64 <= FEW_INCIDENTS_FALSE_SHARE * present_score.false_alerts as f64;
    let quiet: Vec<&ScoredSetting> =
        candidates.iter().map(|candidate| &candidate.learned).filter(|learned| few(&learned.score)).collect();
    let caught = quiet.iter().map(|learned| learned.score.incidents_caught).max()?;
    let sign = present.comparison.sign();
    let for_change = |learned: &ScoredSetting| (learned.setting.for_ms - present.for_ms).abs();
    quiet
        .into_iter()
        .filter(|learned| learned.score.incidents_caught == caught)
        // Of equal `for` the most sensitive bound: the next incident may be weaker.
        .min_by(|a, b| {
            for_change(a).cmp(&for_change(b)).then((sign * a.setting.bound).total_cmp(&(sign * b.setting.bound)))
        })
        .cloned()
}

/// Returns the setting with the fewest false alerts among those that catch four fifths of the incidents that the
/// present one catches; `None` unless it has less than half of the false alerts of the best setting.
fn fewer_alerts(candidates: &[Candidate], best: &RuleScore, present_score: &RuleScore) -> Option<ScoredSetting> {
    let enough = |score: &RuleScore| {
        score.incidents_caught < best.incidents_caught
            && 5 * score.incidents_caught >= 4 * present_score.incidents_caught
            && 2 * score.false_alerts < best.false_alerts
    };
    candidates
        .iter()
        .map(|candidate| &candidate.learned)
        .filter(|learned| enough(&learned.score))
        .min_by_key(|learned| (learned.score.false_alerts, usize::MAX - learned.score.incidents_caught))
        .cloned()
}

/// Rounds the bound to fewer digits where the score stays as good. The slack is a thousandth of the bound, or
/// [`ROUNDING`] of its change if larger.
fn rounded(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    learned: ScoredSetting,
    present: &Setting,
    range: &SignalRange,
) -> ScoredSetting {
    let ScoredSetting { setting, score } = &learned;
    let as_good = |bound: f64| {
        let setting = Setting { bound, ..*setting };
        let again = score_rule(instances, incidents, &setting);
        let as_good = again.incidents_caught >= score.incidents_caught && again.false_alerts <= score.false_alerts;
        let may = bound.to_bits() == present.bound.to_bits() || range.allows(setting.comparison, bound);
        (as_good && may).then_some(ScoredSetting { setting, score: again })
    };
    let slack = (setting.bound.abs() * 1e-3).max((setting.bound - present.bound).abs() * ROUNDING);
    let round = round_within(setting.bound, setting.bound - slack, setting.bound + slack);
    [round, setting.bound]
        .into_iter()
        .find_map(|bound| as_good(range.whole(setting.comparison, bound)))
        .unwrap_or(learned)
}

/// Returns the utility of a score in incidents: incidents caught minus the cost of false alerts.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(in crate::advise::threshold) fn utility(score: &RuleScore) -> f64 {
    score.incidents_caught as f64 - score.false_alerts as f64 / FALSE_ALERTS_PER_MISS
}

/// Returns whether a score is better: more incidents caught, fewer false alerts, or less than half of the time firing
/// outside of incidents, and none of them worse. The time exposes a rule that always fires: its single alert overlaps
/// every incident.
pub(in crate::advise::threshold) fn improves(score: &RuleScore, than: &RuleScore) -> bool {
    score.incidents_caught >= than.incidents_caught
        && score.false_alerts <= than.false_alerts
        && fires_no_longer(score, than)
        && (score.incidents_caught > than.incidents_caught
            || score.false_alerts < than.false_alerts
            || 2 * score.false_evaluations < than.false_evaluations)
}

/// Returns whether a rule fires no longer outside of incidents, relative to the incidents that it catches: each caught
/// incident adds the time by which its alert outlasts it.
pub(in crate::advise::threshold) fn fires_no_longer(score: &RuleScore, than: &RuleScore) -> bool {
    score.false_evaluations * than.incidents_caught.max(1) <= than.false_evaluations * score.incidents_caught.max(1)
}

/// Returns the values of `for` to try, milliseconds: at most half of the shortest incident, since later ones may be
/// shorter, and the present one.
fn durations_to_try(incidents: &[LabelledIncident], present: &Setting, step_ms: i64) -> Vec<i64> {
    let shortest = own_incidents(incidents).map(|incident| incident.end_ms - incident.start_ms).min().unwrap_or(0);
    let mut holds: Vec<i64> =
        FOR_STEPS.iter().map(|steps| steps * step_ms).filter(|hold| *hold <= shortest / 2).collect();
    holds.push(present.for_ms);
    holds.push(0);
    holds.sort_unstable();
    holds.dedup();
    holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::Comparison;

    const MINUTE: i64 = 60_000;

    fn present(bound: f64) -> Setting {
        Setting { comparison: Comparison::Greater, bound, for_ms: 0, keep_firing_for_ms: 0 }
    }

    fn learn_from(instance: Instance<'_>, incidents: &[LabelledIncident], present: &Setting) -> Option<ScoredSetting> {
        learn(
            &[instance],
            incidents,
            present,
            &score_rule(&[instance], incidents, present),
            &SignalRange::of(&[instance], "", present.bound),
        )
    }

    /// A day of minutes: noise up to 1.9, three incidents of ten minutes at 5, a single peak of 6 every hundred
    /// minutes.
    fn history() -> (Vec<i64>, Vec<f64>, Vec<LabelledIncident>) {
        let timestamps: Vec<i64> = (0..1440).map(|minute| minute * MINUTE).collect();
        let incidents: Vec<LabelledIncident> = [200, 700, 1200]
            .map(|minute| LabelledIncident { start_ms: minute * MINUTE, end_ms: (minute + 9) * MINUTE, own: true })
            .to_vec();
        let values = timestamps
            .iter()
            .map(|&at| {
                let minute = at / MINUTE;
                let during = incidents.iter().any(|i| (i.start_ms..=i.end_ms).contains(&at));
                if during {
                    5.0
                } else if minute % 100 == 50 {
                    6.0
                } else {
                    1.0 + f64::from(i32::try_from(minute * 7 % 10).unwrap()) / 10.0
                }
            })
            .collect();
        (timestamps, values, incidents)
    }

    #[test]
    fn a_longer_for_removes_single_peaks() {
        let (timestamps, values, incidents) = history();
        let instance = Instance { timestamps: &timestamps, values: &values };
        let learned = learn_from(instance, &incidents, &present(1.7)).unwrap();
        assert_eq!((learned.score.incidents_caught, learned.score.false_alerts), (3, 0));
        assert_eq!(learned.setting.for_ms, MINUTE);
        assert!((1.7..5.0).contains(&learned.setting.bound), "{:?}", learned.setting);
        let text = learned.setting.bound.to_string();
        assert!(text.len() <= 4, "{text}");
    }

    #[test]
    fn a_good_rule_is_kept() {
        let (timestamps, values, incidents) = history();
        let instance = Instance { timestamps: &timestamps, values: &values };
        let right = Setting { for_ms: MINUTE, ..present(3.0) };
        assert_eq!(learn_from(instance, &incidents, &right), None);
        // Without incidents every alert is false: most are removed, and a rule without alerts is kept.
        let quieter = learn_from(instance, &[], &present(1.7)).unwrap();
        assert!(quieter.score.false_alerts <= 40 && quieter.setting.bound < 5.0, "{quieter:?}");
        assert_eq!(learn_from(instance, &[], &present(7.0)), None);
    }

    #[test]
    fn a_lower_bound_works_as_well() {
        let (timestamps, values, incidents) = history();
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        let instance = Instance { timestamps: &timestamps, values: &negated };
        let less = Setting { comparison: Comparison::Less, ..present(-1.7) };
        let learned = learn_from(instance, &incidents, &less).unwrap();
        assert_eq!((learned.score.incidents_caught, learned.score.false_alerts), (3, 0));
        assert!((-5.0..=-1.7).contains(&learned.setting.bound), "{:?}", learned.setting);
    }
}
