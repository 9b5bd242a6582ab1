//! Learns bound and `for` from labelled incidents: the least change that costs least.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::range::SignalRange;
use crate::advise::threshold::{
    Instance, LabelledIncident, RuleScore, Setting,
    replay::{median_step, own},
    score_rule,
};

const HOUR_MS: f64 = 3_600_000.0;
/// Quantiles of the calm part of a signal that are tried as bounds.
const QUANTILES: [f64; 14] =
    [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995, 1.0];
/// `for` in evaluation intervals that are tried.
const HOLDS: [i64; 10] = [0, 1, 2, 3, 4, 5, 10, 15, 20, 30];
/// False alerts that are as bad as one incident missed.
const FALSE_ALERTS_PER_MISS: f64 = 10.0;
/// Incidents that are missed later for each that chance alone would have missed: what is to come is not drawn from what was.
/// Tried values: `docs/tuning/threshold.md`.
const WEAKER_TO_COME: f64 = 5.0;
/// A change that catches no more must leave at most this share of the false alerts: less is not worth a person's review.
const WORTHWHILE: f64 = 0.5;
/// A `for` that differs from the present one must save so many false alerts: a longer one delays every alert and misses what is brief.
const HOLD_CHANGE: f64 = 10.0;
/// Up to so many incidents say little of how weak the next may be: then the bound nearest to the present one is taken that has at
/// most this share of its false alerts, where it catches as many.
pub(in crate::advise::threshold) const FEW_INCIDENTS: usize = 2;
const FEW_FALSE: f64 = 0.2;
/// Of the change of a bound, how much of it may be given for fewer digits.
const ROUNDING: f64 = 0.1;
/// At most so many incidents' strengths are tried as bounds for each `for`.
const STRENGTHS_MAX: usize = 24;

/// A setting with its score on what it was learned from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct Learned {
    pub(in crate::advise::threshold) setting: Setting,
    pub(in crate::advise::threshold) score: RuleScore,
}

/// A setting that is tried, and what it costs.
#[derive(Debug, Clone)]
struct Candidate {
    learned: Learned,
    /// How far the bound is from the present one towards the weakest incident that it catches, from 0 to 1.
    spent: f64,
}

/// What was learned of a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::advise::threshold) struct Choice {
    /// The setting to recommend; `None` where nothing is better than the present one.
    pub(in crate::advise::threshold) best: Option<Learned>,
    /// One with fewer false alerts that misses more: a person may want it.
    pub(in crate::advise::threshold) fewer_alerts: Option<Learned>,
}

/// The setting that serves best; `None` where nothing is better than the present one.
pub(in crate::advise::threshold) fn learn(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    now: &RuleScore,
    range: &SignalRange,
) -> Option<Learned> {
    choose(instances, incidents, present, now, range).best
}

/// The bound and `for` that catch every incident that the present rule catches, at the least cost.
///
/// `now`: what the present rule did over the same history. Candidates can fire, did fire, catch at least as many incidents as the
/// present rule and fire no longer outside of them. The cost counts false alerts, incidents missed, and those that will be missed: of
/// as many incidents to come as are known, one is expected to be weaker than the weakest known one, so a bound that uses up the whole
/// distance to that one misses one incident more than the present bound would. Of equal costs the least change wins.
pub(in crate::advise::threshold) fn choose(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    now: &RuleScore,
    range: &SignalRange,
) -> Choice {
    let step_ms = instances.iter().map(|instance| median_step(instance.timestamps)).max().unwrap_or(0).max(1);
    let candidates: Vec<Candidate> = holds(incidents, present, step_ms)
        .into_iter()
        .flat_map(|for_ms| tried(instances, incidents, &Setting { for_ms, ..*present }, present))
        .filter(|candidate| {
            let Learned { setting, score } = &candidate.learned;
            let may = *setting == *present || range.allows(setting.comparison, setting.bound);
            let catches = now.incidents == 0 || score.incidents_caught > 0;
            // Where the present rule catches nothing, a rule that fires often enough catches some by chance.
            let by_merit = now.incidents == 0 || now.incidents_caught > 0 || beyond_chance(score, incidents);
            may && score.alerts > 0 && catches && by_merit && fires_no_longer(score, now)
        })
        .collect();
    let few = now.incidents <= FEW_INCIDENTS;
    let is_better = |learned: &Learned| better(&learned.score, now);
    let usual = evaluations_per_incident(incidents, step_ms);
    let quiet = if few { quiet(&candidates, present, now).filter(is_better) } else { None };
    let best = quiet
        .or_else(|| cheapest(&candidates, present, now, usual).filter(is_better))
        .map(|learned| rounded(instances, incidents, learned, present, range));
    let fewer_alerts = fewer_alerts(&candidates, best.as_ref().map_or(now, |best| &best.score), now);
    let fewer_alerts = fewer_alerts.map(|learned| rounded(instances, incidents, learned, present, range));
    Choice { best, fewer_alerts }
}

/// Probability below which catches are not put down to chance; dozens of bounds are tried.
const CHANCE_MAX: f64 = 0.001;

/// Whether a rule catches more incidents than its false alerts would at random times: a binomial test in which an incident is
/// caught with the probability that one of the false alerts, spread evenly, falls into it.
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

/// The settings of one `for` with their scores.
fn tried(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    setting: &Setting,
    present: &Setting,
) -> Vec<Candidate> {
    let sign = setting.comparison.sign();
    let levels = Levels::of(instances, incidents, setting);
    let (now, weakest) = (sign * present.bound, |bound: f64| levels.weakest_above(bound));
    levels
        .bounds(setting)
        .into_iter()
        .map(|bound| {
            let setting = Setting { bound, ..*setting };
            let score = score_rule(instances, incidents, &setting);
            let spent = match weakest(sign * bound) {
                Some(weakest) if weakest > now => ((sign * bound - now) / (weakest - now)).clamp(0.0, 1.0),
                _ => 0.0,
            };
            Candidate { learned: Learned { setting, score }, spent }
        })
        .collect()
}

/// Evaluations that an incident lasts, in the mean; an hour where none is known.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn evaluations_per_incident(incidents: &[LabelledIncident], step_ms: i64) -> f64 {
    let lengths: Vec<i64> = own(incidents).map(|incident| incident.end_ms - incident.start_ms).collect();
    let mean_ms = if lengths.is_empty() { HOUR_MS } else { lengths.iter().sum::<i64>() as f64 / lengths.len() as f64 };
    (mean_ms / step_ms as f64).max(1.0)
}

/// False alerts, and the time spent firing outside of incidents: as long as an incident counts as one more. It tells a rule that always
/// fires, whose one alert touches every incident.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn burden(score: &RuleScore, usual: f64) -> f64 {
    score.false_alerts as f64 + score.false_evaluations as f64 / usual
}

/// What a setting costs, in false alerts.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn cost(candidate: &Candidate, present: &Setting, usual: f64) -> f64 {
    let Learned { setting, score } = &candidate.learned;
    let known = score.incidents as f64;
    let expected = WEAKER_TO_COME * candidate.spent * known / (known + 1.0);
    let missed = (score.incidents - score.incidents_caught) as f64 + expected;
    let held = if setting.for_ms == present.for_ms { 0.0 } else { HOLD_CHANGE };
    burden(score, usual) + FALSE_ALERTS_PER_MISS * missed + held
}

/// How far a setting is from the present one: first by its `for`, then by its bound.
fn change(a: &Setting, b: &Setting, present: &Setting) -> std::cmp::Ordering {
    let hold = |setting: &Setting| (setting.for_ms - present.for_ms).abs();
    let bound = |setting: &Setting| (setting.bound - present.bound).abs();
    hold(a).cmp(&hold(b)).then(bound(a).total_cmp(&bound(b)))
}

/// The setting of least cost that catches no less than the present one.
fn cheapest(candidates: &[Candidate], present: &Setting, now: &RuleScore, usual: f64) -> Option<Learned> {
    let is_worthwhile = |score: &RuleScore| {
        score.incidents_caught > now.incidents_caught
            || (score.incidents_caught == now.incidents_caught
                && burden(score, usual) <= WORTHWHILE * burden(now, usual))
    };
    candidates
        .iter()
        .filter(|candidate| candidate.learned.setting == *present || is_worthwhile(&candidate.learned.score))
        .min_by(|a, b| {
            let by_cost = cost(a, present, usual).total_cmp(&cost(b, present, usual));
            by_cost.then_with(|| change(&a.learned.setting, &b.learned.setting, present))
        })
        .map(|candidate| candidate.learned.clone())
}

/// Of the settings that catch as much as the present one, or as most of them do, and have few false alerts, the one that changes
/// least; `None` where the present rule has hardly any.
fn quiet(candidates: &[Candidate], present: &Setting, now: &RuleScore) -> Option<Learned> {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let few = |score: &RuleScore| score.false_alerts as f64 <= FEW_FALSE * now.false_alerts as f64;
    let quiet: Vec<&Learned> =
        candidates.iter().map(|candidate| &candidate.learned).filter(|learned| few(&learned.score)).collect();
    let caught = quiet.iter().map(|learned| learned.score.incidents_caught).max()?;
    let sign = present.comparison.sign();
    let hold = |learned: &Learned| (learned.setting.for_ms - present.for_ms).abs();
    quiet
        .into_iter()
        .filter(|learned| learned.score.incidents_caught == caught)
        // Of a bound that is made stricter the strictest: the next incident may be weaker.
        .min_by(|a, b| hold(a).cmp(&hold(b)).then((sign * a.setting.bound).total_cmp(&(sign * b.setting.bound))))
        .cloned()
}

/// The setting with the fewest false alerts among those that still catch most of what the present one catches; `None` unless it
/// halves those of the best.
fn fewer_alerts(candidates: &[Candidate], best: &RuleScore, now: &RuleScore) -> Option<Learned> {
    let enough = |score: &RuleScore| {
        score.incidents_caught < best.incidents_caught
            && 5 * score.incidents_caught >= 4 * now.incidents_caught
            && 2 * score.false_alerts < best.false_alerts
    };
    candidates
        .iter()
        .map(|candidate| &candidate.learned)
        .filter(|learned| enough(&learned.score))
        .min_by_key(|learned| (learned.score.false_alerts, usize::MAX - learned.score.incidents_caught))
        .cloned()
}

/// The same with fewer digits of the bound, a thousandth of the change stricter at most, where that does as well.
fn rounded(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    learned: Learned,
    present: &Setting,
    range: &SignalRange,
) -> Learned {
    let Learned { setting, score } = &learned;
    let as_good = |bound: f64| {
        let setting = Setting { bound, ..*setting };
        let again = score_rule(instances, incidents, &setting);
        let as_good = again.incidents_caught >= score.incidents_caught && again.false_alerts <= score.false_alerts;
        let may = bound.to_bits() == present.bound.to_bits() || range.allows(setting.comparison, bound);
        (as_good && may).then_some(Learned { setting, score: again })
    };
    let slack = (setting.bound.abs() * 1e-3).max((setting.bound - present.bound).abs() * ROUNDING);
    let round = round_within(setting.bound, setting.bound - slack, setting.bound + slack);
    [round, setting.bound]
        .into_iter()
        .find_map(|bound| as_good(range.whole(setting.comparison, bound)))
        .unwrap_or(learned)
}

/// Incidents caught less what false alerts cost.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(in crate::advise::threshold) fn merit(score: &RuleScore) -> f64 {
    score.incidents_caught as f64 - score.false_alerts as f64 / FALSE_ALERTS_PER_MISS
}

/// Whether a score is better: more incidents, fewer false alerts or less than half of the time spent
/// firing outside of incidents, and nothing of it worse. The last tells a rule that always fires, since its
/// one alert touches every incident.
pub(in crate::advise::threshold) fn better(score: &RuleScore, than: &RuleScore) -> bool {
    score.incidents_caught >= than.incidents_caught
        && score.false_alerts <= than.false_alerts
        && fires_no_longer(score, than)
        && (score.incidents_caught > than.incidents_caught
            || score.false_alerts < than.false_alerts
            || 2 * score.false_evaluations < than.false_evaluations)
}

/// Whether a rule fires no longer outside of incidents for each that it catches: an alert that lasts a
/// little beyond its incident does so once more for each incident more.
pub(in crate::advise::threshold) fn fires_no_longer(score: &RuleScore, than: &RuleScore) -> bool {
    score.false_evaluations * than.incidents_caught.max(1) <= than.false_evaluations * score.incidents_caught.max(1)
}

/// The number of fewest digits nearest to `value` that lies in `[lowest, highest]`.
pub(in crate::advise::threshold) fn round_within(value: f64, lowest: f64, highest: f64) -> f64 {
    (0..16)
        .filter_map(|digits| format!("{value:.digits$e}").parse::<f64>().ok())
        .find(|rounded| (lowest..=highest).contains(rounded))
        .unwrap_or(value)
}

/// `for` worth trying: at most half of the shortest incident, since unseen ones may be shorter, and the present one.
fn holds(incidents: &[LabelledIncident], present: &Setting, step_ms: i64) -> Vec<i64> {
    let shortest = own(incidents).map(|incident| incident.end_ms - incident.start_ms).min().unwrap_or(0);
    let mut holds: Vec<i64> = HOLDS.iter().map(|steps| steps * step_ms).filter(|hold| *hold <= shortest / 2).collect();
    holds.push(present.for_ms);
    holds.push(0);
    holds.sort_unstable();
    holds.dedup();
    holds
}

/// What a signal sustains for one `for`, with the sign of the comparison: larger is worse.
struct Levels {
    /// Outside of incidents, ascending.
    calm: Vec<f64>,
    /// The most that each incident sustains, ascending; incidents without a value are left out.
    strengths: Vec<f64>,
}

impl Levels {
    fn of(instances: &[Instance<'_>], incidents: &[LabelledIncident], setting: &Setting) -> Self {
        let mut calm = Vec::new();
        let mut strengths = vec![f64::NEG_INFINITY; incidents.len()];
        for instance in instances {
            let mut next = 0;
            let levels = sustained(instance, setting.for_ms, setting.comparison.sign());
            for (&at_ms, level) in instance.timestamps.iter().zip(levels) {
                while incidents.get(next).is_some_and(|incident| incident.end_ms < at_ms) {
                    next += 1;
                }
                match incidents.get(next) {
                    Some(incident) if incident.start_ms <= at_ms && incident.own => {
                        strengths[next] = strengths[next].max(level);
                    }
                    Some(incident) if incident.start_ms <= at_ms => {}
                    _ if level.is_finite() => calm.push(level),
                    _ => {}
                }
            }
        }
        calm.sort_unstable_by(f64::total_cmp);
        strengths.retain(|strength| strength.is_finite());
        strengths.sort_unstable_by(f64::total_cmp);
        Self { calm, strengths }
    }

    /// The weakest incident above a bound.
    fn weakest_above(&self, level: f64) -> Option<f64> {
        self.strengths.get(self.strengths.partition_point(|strength| *strength <= level)).copied()
    }

    /// Bounds worth trying, ascending: quantiles of what is sustained in calm times, the bounds that just catch each incident, what
    /// lies between, and the present one.
    fn bounds(&self, setting: &Setting) -> Vec<f64> {
        let sign = setting.comparison.sign();
        let mut levels: Vec<f64> = QUANTILES.iter().filter_map(|&q| quantile(&self.calm, q)).collect();
        let stride = self.strengths.len().div_ceil(STRENGTHS_MAX).max(1);
        levels.extend(self.strengths.iter().step_by(stride).map(|strength| just_below(*strength)));
        levels.push(sign * setting.bound);
        levels.retain(|level| level.is_finite());
        levels.sort_unstable_by(f64::total_cmp);
        let between: Vec<f64> = levels.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
        levels.extend(between);
        let mut bounds: Vec<f64> = levels.into_iter().map(|level| sign * level).collect();
        bounds.sort_unstable_by(f64::total_cmp);
        bounds.dedup();
        bounds
    }
}

/// At each evaluation the least level since `for_ms` before it: an alert with that `for` fires exactly
/// where this passes the bound. −∞ where a value is missing or the history is too short.
pub(in crate::advise::threshold) fn sustained(instance: &Instance<'_>, for_ms: i64, sign: f64) -> Vec<f64> {
    let level = |idx: usize| {
        let value = sign * instance.values[idx];
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    };
    let times = instance.timestamps;
    let mut least: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    let mut begin = 0;
    (0..times.len())
        .map(|idx| {
            while least.back().is_some_and(|&back| level(back) >= level(idx)) {
                least.pop_back();
            }
            least.push_back(idx);
            // The latest evaluation that is at least `for_ms` old begins the stretch.
            while begin < idx && times[idx] - times[begin + 1] >= for_ms {
                begin += 1;
            }
            if times[idx] - times[begin] < for_ms {
                return f64::NEG_INFINITY;
            }
            while least.front().is_some_and(|&front| front < begin) {
                least.pop_front();
            }
            least.front().map_or(f64::NEG_INFINITY, |&front| level(front))
        })
        .collect()
}

/// Quantile of ascending values, the nearest one.
pub(in crate::advise::threshold) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of the slice"
    )]
    let idx = (q * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(idx).copied()
}

fn just_below(level: f64) -> f64 {
    level - (level.abs() * 1e-9).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::{AlertMachine, AlertState, Comparison};
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn present(bound: f64) -> Setting {
        Setting { comparison: Comparison::Greater, bound, for_ms: 0, keep_firing_for_ms: 0 }
    }

    fn learn_from(instance: Instance<'_>, incidents: &[LabelledIncident], present: &Setting) -> Option<Learned> {
        learn(
            &[instance],
            incidents,
            present,
            &score_rule(&[instance], incidents, present),
            &SignalRange::of(&[instance], "", present.bound),
        )
    }

    /// A day of minutes: noise up to 1.9, three incidents of ten minutes at 5, a lone peak of 6 every hundred minutes.
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
    fn a_longer_for_against_many_lone_peaks() {
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
    fn a_rule_that_is_right_is_left_alone() {
        let (timestamps, values, incidents) = history();
        let instance = Instance { timestamps: &timestamps, values: &values };
        let right = Setting { for_ms: MINUTE, ..present(3.0) };
        assert_eq!(learn_from(instance, &incidents, &right), None);
        // Where nobody labelled an incident every alert was false: most of them go, and a rule that had none is left alone.
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

    #[test]
    fn rounding_stays_within() {
        for (value, lowest, highest, expected) in [
            (0.618_034, 0.55, 0.65, "0.6"),
            (0.618_034, 0.61, 0.62, "0.62"),
            (1234.5, 1234.4, 1234.6, "1234.5"),
            (-3.17, -3.3, -3.05, "-3.2"),
        ] {
            assert_eq!(round_within(value, lowest, highest).to_string(), expected);
        }
    }

    proptest! {
        /// The sustained level says exactly where an alert fires.
        #[test]
        fn sustained_level_is_the_alert(
            rows in prop::collection::vec((1_i64..4, prop_oneof![Just(f64::NAN), 0.0_f64..4.0]), 1..60), for_ms in 0_i64..8, bound in 0.0_f64..4.0,
        ) {
            let mut now = 0;
            let (timestamps, values): (Vec<i64>, Vec<f64>) = rows.into_iter().map(|(gap, value)| { now += gap; (now, value) }).unzip();
            let instance = Instance { timestamps: &timestamps, values: &values };
            let levels = sustained(&instance, for_ms, 1.0);
            let mut alert = AlertMachine::new(for_ms, 0);
            for ((&at, &value), level) in timestamps.iter().zip(&values).zip(levels) {
                let firing = alert.step(at, value > bound) == AlertState::Firing;
                prop_assert_eq!(firing, level > bound, "at {}", at);
            }
        }
    }
}
