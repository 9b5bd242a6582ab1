use crate::advise::threshold::{Instance, LabelledIncident, RuleScore, Setting, replay::median_step, score_rule};

/// Quantiles of the calm part of a signal that are tried as bounds.
const QUANTILES: [f64; 14] =
    [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995, 1.0];
/// `for` in evaluation intervals that are tried.
const HOLDS: [i64; 10] = [0, 1, 2, 3, 4, 5, 10, 15, 20, 30];
/// Where in the range of equally good bounds the chosen one lies, from the side of false alerts: the
/// calm part is well known and incidents are few, so it keeps the larger distance to the incidents.
const POSITION: f64 = 0.3;
/// A range of bounds is wide when it has this share of the widest one's width.
const WIDE_ENOUGH: f64 = 0.5;
/// More incidents are worth catching only while false alerts fall at least to this share.
const FALSE_SHARE: f64 = 0.3;
/// Up to so many incidents say little of how weak the next may be: then the lowest bound is taken that has at most this share of the
/// present rule's false alerts. On the unseen halves of NAB's series, which have none to two, 45 of 69 incidents are caught so
/// for 40 by bounds between noise and incidents, with 381 false alerts for 489.
pub(in crate::advise::threshold) const FEW_INCIDENTS: usize = 2;
const FEW_FALSE: f64 = 0.1;
/// At most so many incidents' strengths are tried as bounds for each `for`.
const STRENGTHS_MAX: usize = 24;

/// A setting with its score on what it was learned from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct Learned {
    pub(in crate::advise::threshold) setting: Setting,
    pub(in crate::advise::threshold) score: RuleScore,
}

/// The bound and `for` that keep every incident caught at the fewest false alerts; `None` where
/// nothing is better than the present setting.
///
/// `now`: what the present rule did over the same history. Candidates catch at least as many incidents
/// as it and fire no longer outside of them. For each `for` the bounds that do equally well make a range. The shortest `for` whose range is
/// wide wins, since a longer one delays the alert, and the bound is taken from within the range, so
/// that neither a slightly higher noise nor a slightly weaker incident than those seen breaks it.
pub(in crate::advise::threshold) fn learn(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    now: &RuleScore,
) -> Option<Learned> {
    let step_ms = instances.iter().map(|instance| median_step(instance.timestamps)).max().unwrap_or(0).max(1);
    let candidates: Vec<Learned> = holds(incidents, present, step_ms)
        .into_iter()
        .flat_map(|for_ms| {
            let setting = Setting { for_ms, ..*present };
            bounds(instances, incidents, &setting).into_iter().map(move |bound| Setting { bound, ..setting })
        })
        .map(|setting| Learned { setting, score: score_rule(instances, incidents, &setting) })
        .filter(|candidate| fires_no_longer(&candidate.score, now))
        .collect();
    let kept = usize::try_from(present.keep_firing_for_ms / step_ms).unwrap_or(0);
    if now.incidents <= FEW_INCIDENTS {
        let learned = least_changed(candidates, present, now)?;
        return Some(rounded(instances, incidents, learned));
    }
    let goal = Goal::of(&candidates, now, kept)?;
    let mut options: Vec<(f64, Learned)> = Vec::new();
    for of_hold in candidates.chunk_by(|a, b| a.setting.for_ms == b.setting.for_ms) {
        let fit: Vec<f64> = of_hold.iter().filter(|c| goal.is_met(&c.score)).map(|c| c.setting.bound).collect();
        let range = fit.iter().copied().reduce(f64::min).zip(fit.iter().copied().reduce(f64::max));
        let chosen = range.and_then(|range| within(instances, incidents, &of_hold[0].setting, range, goal));
        options.extend(range.zip(chosen).map(|((lowest, highest), chosen)| (highest - lowest, chosen)));
    }
    let widest = options.iter().map(|(width, _)| *width).fold(0.0, f64::max);
    let chosen = options.into_iter().find(|(width, _)| *width >= WIDE_ENOUGH * widest);
    chosen.map(|(_, learned)| learned).filter(|learned| better(&learned.score, now))
}

/// The same with fewer digits of the bound, a thousandth lower at most, where that does as well.
fn rounded(instances: &[Instance<'_>], incidents: &[LabelledIncident], learned: Learned) -> Learned {
    let Learned { setting, score } = &learned;
    let slack = setting.bound.abs() * 1e-3;
    let (lowest, highest) = if setting.comparison.is_upper() {
        (setting.bound - slack, setting.bound)
    } else {
        (setting.bound, setting.bound + slack)
    };
    let bound = round_within(setting.bound, lowest, highest);
    let setting = Setting { bound, ..*setting };
    let again = score_rule(instances, incidents, &setting);
    let as_good = again.incidents_caught >= score.incidents_caught && again.false_alerts <= score.false_alerts;
    if as_good { Learned { setting, score: again } } else { learned }
}

/// Of the settings that catch as much as the present one, or as most of them do, and have few false alerts, the one that alerts
/// soonest; `None` where the present rule has hardly any.
fn least_changed(candidates: Vec<Learned>, present: &Setting, now: &RuleScore) -> Option<Learned> {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let few = |score: &RuleScore| score.false_alerts as f64 <= FEW_FALSE * now.false_alerts as f64;
    let quiet: Vec<Learned> = candidates.into_iter().filter(|candidate| few(&candidate.score)).collect();
    let caught = quiet.iter().map(|candidate| candidate.score.incidents_caught).max()?;
    let sign = if present.comparison.is_upper() { 1.0 } else { -1.0 };
    quiet
        .into_iter()
        .filter(|candidate| candidate.score.incidents_caught == caught)
        .min_by(|a, b| {
            a.setting.for_ms.cmp(&b.setting.for_ms).then((sign * a.setting.bound).total_cmp(&(sign * b.setting.bound)))
        })
        .filter(|learned| better(&learned.score, now))
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

/// What a setting must do to be among the good ones.
#[derive(Debug, Clone, Copy)]
struct Goal {
    caught: usize,
    false_alerts: usize,
    false_evaluations: usize,
}

impl Goal {
    /// What the candidates show to be possible; `None` where none catches as much as the present rule.
    ///
    /// `kept`: evaluations for which an alert goes on firing after its incident. They are not held against a bound: the
    /// highest one fires last in the middle of an incident, and misses the next weaker one.
    fn of(candidates: &[Learned], now: &RuleScore, kept: usize) -> Option<Self> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts"
        )]
        let few = (now.false_alerts as f64 * FALSE_SHARE).floor() as usize;
        let scores = || candidates.iter().map(|candidate| &candidate.score);
        let caught = scores()
            .filter(|score| score.false_alerts <= few)
            .map(|score| score.incidents_caught)
            .max()
            .map_or(now.incidents_caught, |caught| caught.max(now.incidents_caught));
        let enough = || scores().filter(|score| score.incidents_caught >= caught);
        let false_alerts = enough().map(|score| score.false_alerts).min()?;
        let quietest =
            enough().filter(|score| score.false_alerts <= false_alerts).map(|score| score.false_evaluations).min()?;
        // A rule that never stops firing raises no false alert; a little before and after incidents is no matter.
        let false_evaluations = quietest + quietest / 2 + now.evaluations / 1_000 + caught * kept;
        Some(Self { caught, false_alerts, false_evaluations })
    }

    fn is_met(&self, score: &RuleScore) -> bool {
        score.incidents_caught >= self.caught
            && score.false_alerts <= self.false_alerts
            && score.false_evaluations <= self.false_evaluations
    }
}

/// A bound with few digits within the range, near its [`POSITION`], that still meets the goal.
fn within(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    setting: &Setting,
    (lowest, highest): (f64, f64),
    goal: Goal,
) -> Option<Learned> {
    let width = highest - lowest;
    let at = |share: f64| {
        if setting.comparison.is_upper() { lowest + share * width } else { highest - share * width }
    };
    let (inner_a, inner_b) = (at(POSITION - 0.15), at(POSITION + 0.15));
    let wanted = at(POSITION);
    let rounded = round_within(wanted, inner_a.min(inner_b), inner_a.max(inner_b));
    // The middle of a range need not be as good as its ends: then an end is taken.
    [rounded, wanted, at(0.0), at(1.0)].into_iter().find_map(|bound| {
        let setting = Setting { bound, ..*setting };
        let score = score_rule(instances, incidents, &setting);
        goal.is_met(&score).then_some(Learned { setting, score })
    })
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
    let shortest = incidents.iter().map(|incident| incident.end_ms - incident.start_ms).min().unwrap_or(0);
    let mut holds: Vec<i64> = HOLDS.iter().map(|steps| steps * step_ms).filter(|hold| *hold <= shortest / 2).collect();
    holds.push(present.for_ms);
    holds.push(0);
    holds.sort_unstable();
    holds.dedup();
    holds
}

/// Bounds worth trying for one `for`, ascending: quantiles of what is sustained in calm times, the
/// bounds that just catch each incident, what lies between, and the present one.
fn bounds(instances: &[Instance<'_>], incidents: &[LabelledIncident], setting: &Setting) -> Vec<f64> {
    let sign = if setting.comparison.is_upper() { 1.0 } else { -1.0 };
    let mut calm = Vec::new();
    let mut strengths = vec![f64::NEG_INFINITY; incidents.len()];
    for instance in instances {
        let mut next = 0;
        for (&at_ms, level) in instance.timestamps.iter().zip(sustained(instance, setting.for_ms, sign)) {
            while incidents.get(next).is_some_and(|incident| incident.end_ms < at_ms) {
                next += 1;
            }
            match incidents.get(next) {
                Some(incident) if incident.start_ms <= at_ms => strengths[next] = strengths[next].max(level),
                _ if level.is_finite() => calm.push(level),
                _ => {}
            }
        }
    }
    calm.sort_unstable_by(f64::total_cmp);
    strengths.retain(|strength| strength.is_finite());
    strengths.sort_unstable_by(f64::total_cmp);
    let mut levels: Vec<f64> = QUANTILES.iter().filter_map(|&q| quantile(&calm, q)).collect();
    let stride = strengths.len().div_ceil(STRENGTHS_MAX).max(1);
    levels.extend(strengths.iter().step_by(stride).map(|strength| just_below(*strength)));
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
        learn(&[instance], incidents, present, &score_rule(&[instance], incidents, present))
    }

    /// A day of minutes: noise up to 1.9, three incidents of ten minutes at 5, a lone peak of 6.
    fn history() -> (Vec<i64>, Vec<f64>, Vec<LabelledIncident>) {
        let timestamps: Vec<i64> = (0..1440).map(|minute| minute * MINUTE).collect();
        let incidents: Vec<LabelledIncident> = [200, 700, 1200]
            .map(|minute| LabelledIncident { start_ms: minute * MINUTE, end_ms: (minute + 9) * MINUTE })
            .to_vec();
        let values = timestamps
            .iter()
            .map(|&at| {
                let minute = at / MINUTE;
                let during = incidents.iter().any(|i| (i.start_ms..=i.end_ms).contains(&at));
                if during {
                    5.0
                } else if minute == 500 {
                    6.0
                } else {
                    1.0 + f64::from(i32::try_from(minute * 7 % 10).unwrap()) / 10.0
                }
            })
            .collect();
        (timestamps, values, incidents)
    }

    #[test]
    fn a_bound_between_noise_and_incidents_with_for_against_the_lone_peak() {
        let (timestamps, values, incidents) = history();
        let instance = Instance { timestamps: &timestamps, values: &values };
        let learned = learn_from(instance, &incidents, &present(1.7)).unwrap();
        assert_eq!((learned.score.incidents_caught, learned.score.false_alerts), (3, 0));
        assert_eq!(learned.setting.for_ms, MINUTE);
        assert!((1.9..5.0).contains(&learned.setting.bound), "{:?}", learned.setting);
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
        assert!(quieter.score.false_alerts <= 10 && quieter.setting.bound < 5.0, "{quieter:?}");
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
        assert!((-5.0..-1.9).contains(&learned.setting.bound));
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
