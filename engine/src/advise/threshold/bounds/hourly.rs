//! Bounds by hour of the week, learned as one bound on standardised values.

use super::{
    learn::{ScoredSetting, improves, learn},
    levels::{quantile, round_within},
    range::SignalRange,
};
use crate::advise::threshold::{
    Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_bound,
    replay::{score_with, split_at, time_at_share},
    score_rule,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours of a week, from Sunday midnight UTC, as PromQL's `hour() + 24 * day_of_week()` counts them.
const HOURS: usize = 168;
/// Share of the training part that bounds are fitted to; the rest of it validates the choice between constant and
/// hourly bounds.
const VALIDATION_FROM: f64 = 0.6;

/// A bound for each hour of the week.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::threshold) struct HourlyBounds {
    /// 168 bounds, from Sunday midnight UTC.
    pub(in crate::advise::threshold) bounds: Vec<f64>,
    /// Comparison, `for` and `keep_firing_for`; its bound is NaN.
    pub(in crate::advise::threshold) setting: Setting,
}

/// Median and spread of the values outside of incidents, for each hour of the week.
struct WeeklyProfile {
    centre: Vec<f64>,
    spread: Vec<f64>,
}

impl HourlyBounds {
    /// Restores stored bounds; `None` unless there is one for each hour of the week.
    pub(in crate::advise::threshold) fn of(bounds: Vec<f64>, setting: Setting) -> Option<Self> {
        (bounds.len() == HOURS).then_some(Self { bounds, setting })
    }

    /// Replays the rule with these bounds.
    pub(in crate::advise::threshold) fn score(
        &self,
        instances: &[Instance<'_>],
        incidents: &[LabelledIncident],
    ) -> RuleScore {
        score_with(instances, incidents, &self.setting, |at_ms, value| {
            self.setting.comparison.holds(value, self.at(at_ms))
        })
    }

    /// Returns the bound at an instant.
    pub(in crate::advise::threshold) fn at(&self, at_ms: i64) -> f64 {
        self.bounds[hour_of_week(at_ms)]
    }

    /// Writes the recording rule of the current bound: one term for each run of hours with equal bounds.
    pub(in crate::advise::threshold) fn recording_rule(&self, name: &str) -> Rule {
        let mut terms: Vec<String> = Vec::new();
        let mut begin = 0;
        for hour in 1..=HOURS {
            if hour == HOURS || self.bounds[hour].to_bits() != self.bounds[begin].to_bits() {
                let bound = format_bound(self.bounds[begin]);
                terms.push(format!("(vector({bound}) and on() (hour() + 24 * day_of_week() >= {begin} < {hour}))"));
                begin = hour;
            }
        }
        Rule { record: Some(name.to_owned()), expr: terms.join("\nor "), ..Rule::default() }
    }

    /// Writes the alert's expression that compares with that recording rule.
    pub(in crate::advise::threshold) fn expression(condition: &Condition, name: &str) -> String {
        format!("{} {} on() group_left() {name}", condition.signal, condition.comparison.symbol())
    }
}

/// Learns bounds by hour of week. Returns `None` when they do not beat the best constant bound on the validation part,
/// or with less than two weeks of training history.
///
/// `constant`: score of the best constant bound on the whole training part.
pub(in crate::advise::threshold) fn learn_hourly(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    constant: &RuleScore,
    range: &SignalRange,
) -> Option<HourlyBounds> {
    let first_ms = *instances.iter().filter_map(|instance| instance.timestamps.first()).min()?;
    let last_ms = *instances.iter().filter_map(|instance| instance.timestamps.last()).max()?;
    if last_ms - first_ms < 14 * DAY_MS {
        return None;
    }
    let (before, after) = split_at(instances, time_at_share(instances, VALIDATION_FROM)?);
    let present_score = score_rule(&before, incidents, present);
    let best_constant =
        learn(&before, incidents, present, &present_score, range).map_or(*present, |learned| learned.setting);
    let trial = fit_hourly(&before, incidents, present, &present_score, range)?;
    if !improves(&trial.score(&after, incidents), &score_rule(&after, incidents, &best_constant)) {
        return None;
    }
    let present_score = score_rule(instances, incidents, present);
    let hourly = fit_hourly(instances, incidents, present, &present_score, range)?;
    improves(&hourly.score(instances, incidents), constant).then_some(hourly)
}

/// Fits one bound to values standardised by each hour's median and spread, and converts it back to a bound for each
/// hour.
pub(in crate::advise::threshold) fn fit_hourly(
    instances: &[Instance<'_>],
    incidents: &[LabelledIncident],
    present: &Setting,
    present_score: &RuleScore,
    range: &SignalRange,
) -> Option<HourlyBounds> {
    let profile = WeeklyProfile::fit(instances, incidents)?;
    let standardised: Vec<Vec<f64>> = instances
        .iter()
        .map(|instance| {
            let of = |(&at_ms, &value): (&i64, &f64)| {
                let hour = hour_of_week(at_ms);
                (value - profile.centre[hour]) / profile.spread[hour]
            };
            instance.timestamps.iter().zip(instance.values).map(of).collect()
        })
        .collect();
    let standardised_instances: Vec<Instance<'_>> = instances
        .iter()
        .zip(&standardised)
        .map(|(instance, values)| Instance { timestamps: instance.timestamps, values })
        .collect();
    let sign = if present.comparison.is_upper() { 1.0 } else { -1.0 };
    // The search starts at 3 spreads from the median; the range does not apply to standardised values.
    let unlimited = SignalRange::unlimited();
    let ScoredSetting { setting, .. } = learn(
        &standardised_instances,
        incidents,
        &Setting { bound: 3.0 * sign, ..*present },
        present_score,
        &unlimited,
    )?;
    let bounds = (0..HOURS)
        .map(|hour| {
            let bound = profile.centre[hour] + setting.bound * profile.spread[hour];
            let slack = 0.1 * profile.spread[hour];
            let bound = round_within(bound, bound - slack, bound + slack);
            range.whole(present.comparison, range.clamped(present.comparison, bound))
        })
        .collect();
    Some(HourlyBounds { bounds, setting: Setting { bound: f64::NAN, ..setting } })
}

impl WeeklyProfile {
    fn fit(instances: &[Instance<'_>], incidents: &[LabelledIncident]) -> Option<Self> {
        let mut by_hour: Vec<Vec<f64>> = vec![Vec::new(); HOURS];
        for instance in instances {
            let mut next = 0;
            for (&at_ms, &value) in instance.timestamps.iter().zip(instance.values) {
                while incidents.get(next).is_some_and(|incident| incident.end_ms < at_ms) {
                    next += 1;
                }
                let during = incidents.get(next).is_some_and(|incident| incident.start_ms <= at_ms);
                if value.is_finite() && !during {
                    by_hour[hour_of_week(at_ms)].push(value);
                }
            }
        }
        // An hour of the week without values outside of incidents takes those of the same hour on other days.
        let of_days: Vec<Vec<f64>> =
            (0..24).map(|hour| by_hour.iter().skip(hour).step_by(24).flatten().copied().collect()).collect();
        for (hour, values) in by_hour.iter_mut().enumerate().filter(|(_, values)| values.is_empty()) {
            values.clone_from(&of_days[hour % 24]);
        }
        let mut centre = Vec::with_capacity(HOURS);
        let mut spread = Vec::with_capacity(HOURS);
        for values in &mut by_hour {
            values.sort_unstable_by(f64::total_cmp);
            centre.push(quantile(values, 0.5)?);
            spread.push(quantile(values, 0.95)? - quantile(values, 0.05)?);
        }
        // An hour without variation by chance must not alert on the smallest change: half of the median spread is the
        // floor.
        let mut sorted = spread.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let floor = quantile(&sorted, 0.5).filter(|median| *median > 0.0)? / 2.0;
        Some(Self { centre, spread: spread.into_iter().map(|width| width.max(floor)).collect() })
    }
}

/// Returns the hour of the week in UTC, 0 = Sunday midnight. The epoch was a Thursday.
fn hour_of_week(at_ms: i64) -> usize {
    usize::try_from((at_ms.div_euclid(HOUR_MS) + 4 * 24).rem_euclid(168)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::Comparison;

    const STEP_MS: i64 = 600_000;

    /// Four weeks: 100 by day and 10 by night with small noise. Incidents add 15 for an hour, some of them by night,
    /// where no constant bound can catch them.
    fn history() -> (Vec<i64>, Vec<f64>, Vec<LabelledIncident>) {
        let timestamps: Vec<i64> = (0..28 * 144).map(|idx| idx * STEP_MS).collect();
        let incidents: Vec<LabelledIncident> = (1..28)
            .map(|day| {
                let start_ms = day * DAY_MS + (day * 5 % 24) * HOUR_MS;
                LabelledIncident { start_ms, end_ms: start_ms + HOUR_MS, own: true }
            })
            .collect();
        let values = timestamps
            .iter()
            .map(|&at| {
                let hour = at.div_euclid(HOUR_MS) % 24;
                let base = if (8..20).contains(&hour) { 100.0 } else { 10.0 };
                let noise = f64::from(i32::try_from((at / STEP_MS) * 7919 % 100).unwrap()) / 50.0;
                let extra = if incidents.iter().any(|i| (i.start_ms..=i.end_ms).contains(&at)) { 15.0 } else { 0.0 };
                base + noise + extra
            })
            .collect();
        (timestamps, values, incidents)
    }

    #[test]
    fn hours_are_those_of_promql() {
        // 1970-01-01T00:00Z was a Thursday, 1970-01-04T05:59Z a Sunday.
        assert_eq!(hour_of_week(0), 96);
        assert_eq!(hour_of_week(3 * DAY_MS + 5 * HOUR_MS + 3_540_000), 5);
        assert_eq!(hour_of_week(-1), 95);
    }

    #[test]
    fn bounds_by_hour_catch_incidents_at_night() {
        let (timestamps, values, incidents) = history();
        let instances = [Instance { timestamps: &timestamps, values: &values }];
        let present = Setting { comparison: Comparison::Greater, bound: 101.5, for_ms: 0, keep_firing_for_ms: 0 };
        let present_score = score_rule(&instances, &incidents, &present);
        let range = SignalRange::of(&instances, "", present.bound);
        let constant = learn(&instances, &incidents, &present, &present_score, &range)
            .map_or(present_score.clone(), |learned| learned.score);
        let hourly = learn_hourly(&instances, &incidents, &present, &constant, &range).unwrap();
        let score = hourly.score(&instances, &incidents);
        assert_eq!((score.incidents_caught, score.false_alerts), (27, 0));
        assert!(constant.incidents_caught < 27);
        let rule = hourly.recording_rule("almanac:bound:x");
        assert!(promql_parser::parser::parse(&rule.expr).is_ok(), "{}", rule.expr);
    }

    #[test]
    fn two_weeks_are_needed() {
        let (timestamps, values, incidents) = history();
        let instances = [Instance { timestamps: &timestamps[..1000], values: &values[..1000] }];
        let present = Setting { comparison: Comparison::Greater, bound: 101.5, for_ms: 0, keep_firing_for_ms: 0 };
        let range = SignalRange::of(&instances, "", present.bound);
        assert_eq!(learn_hourly(&instances, &incidents, &present, &RuleScore::default(), &range), None);
    }
}
