//! Judges service level objectives: an expression that has to stay within a limit for a share of the time.
//!
//! The budget of bad time and the pace at which it is spent follow the Site Reliability Workbook, chapter 5 ("Alerting on
//! SLOs"). `judge` reads the store; everything else is a pure function of the points.

use crate::{
    advise::{kit::rfc3339, threshold::format_duration},
    series::SampleSource,
    signal::{self, EvalLimits, Query, SignalError},
};

/// Fewest values that are judged.
const MIN_POINTS: usize = 12;
/// Most steps of the span.
const MAX_STEPS: i64 = 5_000;
/// Steps are whole multiples of this, in milliseconds.
const STEP_MS: i64 = 15_000;
/// The pace is that of the last part of the span, and an objective is at risk when it is missed within another part.
const PARTS_OF_PACE: i64 = 24;
const PARTS_AHEAD: i64 = 7;

/// The limit of an objective, in the unit of its expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Values above are bad.
    AtMost(f64),
    /// Values below are bad.
    AtLeast(f64),
}

impl Limit {
    /// Returns the value of the limit.
    #[must_use]
    pub const fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    fn is_good(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    /// Returns how far a value is inside, negative outside.
    fn margin(self, value: f64) -> f64 {
        match self {
            Self::AtMost(limit) => limit - value,
            Self::AtLeast(limit) => value - limit,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::AtMost(_) => "at most",
            Self::AtLeast(_) => "at least",
        }
    }
}

/// An objective.
#[derive(Debug, Clone)]
pub struct Objective {
    /// Name.
    pub name: String,
    /// Expression; each of its series is judged by itself.
    pub query: Query,
    /// The limit.
    pub limit: Limit,
    /// Span that is judged, in milliseconds, above 0.
    pub over_ms: i64,
    /// Share of the values that has to be within the limit, above 0 and at most 1.
    pub share: f64,
}

/// State of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectiveState {
    /// The share within the limit is too small.
    Missed,
    /// It is met, and will be missed soon at the pace of the last hours.
    AtRisk,
    /// There are too few values.
    NoData,
    /// It is met.
    Met,
}

impl ObjectiveState {
    /// Returns the word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::AtRisk => "at_risk",
            Self::NoData => "no_data",
            Self::Met => "met",
        }
    }
}

/// A judged objective, for one series of its expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Name of the objective.
    pub name: String,
    /// Labels of the series in PromQL notation; empty without a series.
    pub element: String,
    /// State.
    pub state: ObjectiveState,
    /// The value that the wanted share of the time kept to; `None` without data.
    pub value: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// Distance of `value` from the limit, negative when it is missed.
    pub margin: Option<f64>,
    /// Share of the values within the limit.
    pub good_share: Option<f64>,
    /// Share of the span that has values.
    pub covered: f64,
    /// At risk: when it will be missed at the pace of the last hours. Missed: when it is met again at the earliest, if
    /// every value from now on is good. Epoch milliseconds.
    pub until_ms: Option<i64>,
    /// Reason in one sentence.
    pub reason: String,
}

impl Objective {
    /// Judges each series of the expression over the span that ends now; the worst come first. Without a series there
    /// is one result without data.
    ///
    /// # Errors
    /// [`SignalError`] of the evaluation.
    pub fn judge(
        &self,
        source: &dyn SampleSource,
        now_ms: i64,
        limits: &EvalLimits,
    ) -> Result<Vec<Judged>, SignalError> {
        let step_ms = self.step_ms();
        let start_ms = now_ms.saturating_sub(self.over_ms).saturating_add(step_ms);
        let series = signal::range(source, &self.query, start_ms, now_ms, step_ms, limits)?;
        let mut judged: Vec<Judged> = series
            .iter()
            .map(|series| {
                let points: Vec<(i64, f64)> = series
                    .timestamps
                    .iter()
                    .copied()
                    .zip(series.values.iter().copied())
                    .filter(|(_, value)| !value.is_nan())
                    .collect();
                self.judge_points(series.labels.to_string(), &points, now_ms)
            })
            .collect();
        if judged.is_empty() {
            judged.push(self.judge_points(String::new(), &[], now_ms));
        }
        judged.sort_by(|one, other| {
            let margins = (one.margin.unwrap_or(f64::INFINITY), other.margin.unwrap_or(f64::INFINITY));
            one.state.cmp(&other.state).then(margins.0.total_cmp(&margins.1)).then(one.element.cmp(&other.element))
        });
        Ok(judged)
    }

    /// Returns the distance of the judged values in milliseconds.
    fn step_ms(&self) -> i64 {
        let steps = (self.over_ms / MAX_STEPS).saturating_add(STEP_MS - 1) / STEP_MS;
        steps.max(1).saturating_mul(STEP_MS).min(self.over_ms.max(1))
    }

    /// Judges the values of one series, which are within the span and ascend in time.
    fn judge_points(&self, element: String, points: &[(i64, f64)], now_ms: i64) -> Judged {
        let step_ms = self.step_ms();
        let steps = (self.over_ms / step_ms).max(1);
        let covered = (count(points.len()) / steps as f64).min(1.0);
        let over = format_duration(self.over_ms);
        let mut judged = Judged {
            name: self.name.clone(),
            element,
            state: ObjectiveState::NoData,
            value: None,
            limit: self.limit.value(),
            margin: None,
            good_share: None,
            covered,
            until_ms: None,
            reason: format!("{} values in {over}, at least {MIN_POINTS} are needed", points.len()),
        };
        if points.len() < MIN_POINTS {
            return judged;
        }
        let good: Vec<bool> = points.iter().map(|(_, value)| self.limit.is_good(*value)).collect();
        let good_share = count(good.iter().filter(|is_good| **is_good).count()) / count(points.len());
        let value = self.kept_to(points);
        judged.value = Some(value);
        judged.margin = Some(self.limit.margin(value));
        judged.good_share = Some(good_share);
        let window = Window { objective: self, points, good: &good, step_ms, now_ms };
        let kept = format!("{} % of {over} were {} {}", percent(good_share), self.limit.words(), self.limit.value());
        let wanted = percent(self.share);
        if !self.limit.is_good(value) {
            judged.state = ObjectiveState::Missed;
            judged.until_ms = window.first_ahead(0.0, steps, |is_met| is_met);
            judged.reason = format!("{kept}, wanted are {wanted} %");
            return judged;
        }
        let pace = window.pace();
        let misses = (pace > 1.0 - self.share).then(|| window.first_ahead(pace, steps / PARTS_AHEAD, |is_met| !is_met));
        judged.until_ms = misses.flatten();
        judged.state = if judged.until_ms.is_some() { ObjectiveState::AtRisk } else { ObjectiveState::Met };
        judged.reason = match judged.until_ms {
            Some(until_ms) => format!(
                "{kept}, wanted are {wanted} %; at the pace of the last {} it is missed at {}",
                format_duration(self.over_ms / PARTS_OF_PACE),
                rfc3339(until_ms)
            ),
            None => format!("{kept}, wanted are {wanted} %"),
        };
        judged
    }

    /// Returns the best limit that the wanted share of the values keeps to: it is within the limit exactly when the
    /// objective is met.
    fn kept_to(&self, points: &[(i64, f64)]) -> f64 {
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        if matches!(self.limit, Limit::AtLeast(_)) {
            values.reverse();
        }
        let mut rank = values.len();
        // The smallest number of values that is the wanted share of all.
        while rank > 1 && count(rank - 1) / count(values.len()) >= self.share {
            rank -= 1;
        }
        values[rank - 1]
    }
}

/// Returns a share in percent, rounded to four decimals: objectives are written with up to five nines.
fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

fn count(number: usize) -> f64 {
    number as f64
}

/// The judged values, and what becomes of them when the span moves on.
struct Window<'a> {
    objective: &'a Objective,
    points: &'a [(i64, f64)],
    good: &'a [bool],
    step_ms: i64,
    now_ms: i64,
}

impl Window<'_> {
    /// Returns the share of bad values in the last part of the span; 0 with too few values there.
    fn pace(&self) -> f64 {
        let since = self.now_ms.saturating_sub(self.objective.over_ms / PARTS_OF_PACE);
        let first = self.points.partition_point(|(at, _)| *at <= since);
        let recent = &self.good[first..];
        if recent.len() < MIN_POINTS {
            return 0.0;
        }
        count(recent.iter().filter(|is_good| !**is_good).count()) / count(recent.len())
    }

    /// Returns the first time within `most` steps at which the objective is met or not, as `is_wanted` says, if the
    /// share `bad` of the values from now on is bad.
    fn first_ahead(&self, bad: f64, most: i64, is_wanted: impl Fn(bool) -> bool) -> Option<i64> {
        let mut left = self.points.len();
        let mut good_left = self.good.iter().filter(|is_good| **is_good).count();
        for step in 1..=most {
            let at = self.now_ms.saturating_add(step.saturating_mul(self.step_ms));
            let since = at.saturating_sub(self.objective.over_ms);
            // The oldest values leave the span.
            while left > 0 && self.points[self.points.len() - left].0 <= since {
                good_left -= usize::from(self.good[self.points.len() - left]);
                left -= 1;
            }
            let (good, all) = (count(good_left) + (1.0 - bad) * step as f64, count(left) + step as f64);
            if is_wanted(good / all >= self.objective.share) {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn objective(limit: Limit, share: f64) -> Objective {
        Objective { name: "p95".into(), query: signal::parse("up").unwrap(), limit, over_ms: 7 * DAY, share }
    }

    /// Values at each step of the span that ends at 0.
    fn points(objective: &Objective, value: impl Fn(i64) -> f64) -> Vec<(i64, f64)> {
        let step_ms = objective.step_ms();
        let steps = objective.over_ms / step_ms;
        (0..steps).map(|step| ((step - steps + 1) * step_ms, value(step))).collect()
    }

    fn judge(objective: &Objective, value: impl Fn(i64) -> f64) -> Judged {
        objective.judge_points("{}".into(), &points(objective, value), 0)
    }

    #[test]
    fn the_value_is_what_the_wanted_share_keeps_to() {
        let limit = objective(Limit::AtMost(50.0), 0.9);
        let judged = judge(&limit, |step| (step % 100) as f64);
        assert_eq!((judged.state, judged.value, judged.margin), (ObjectiveState::Missed, Some(89.0), Some(-39.0)));
        let judged = judge(&objective(Limit::AtLeast(5.0), 0.9), |step| (step % 100) as f64);
        assert_eq!((judged.state, judged.value, judged.margin), (ObjectiveState::Met, Some(9.0), Some(4.0)));
        assert!(judged.reason.contains("% of 1w were at least 5, wanted are 90 %"), "{}", judged.reason);
    }

    #[test]
    fn a_missed_objective_says_when_it_is_met_again() {
        let limit = objective(Limit::AtMost(1.0), 0.99);
        let steps = limit.over_ms / limit.step_ms();
        // Two percent were bad two days after the start: half of them have to leave.
        let begin = steps * 2 / 7;
        let bad = steps / 50;
        let judged = judge(&limit, |step| if (begin..begin + bad).contains(&step) { 2.0 } else { 1.0 });
        assert_eq!(judged.state, ObjectiveState::Missed);
        let days = judged.until_ms.unwrap() as f64 / DAY as f64;
        assert!((days - (2.0 + 0.07)).abs() < 0.01, "{days}");
    }

    #[test]
    fn a_pace_that_uses_up_the_budget_is_a_risk() {
        let limit = objective(Limit::AtMost(1.0), 0.99);
        let steps = limit.over_ms / limit.step_ms();
        // Every second value of the last hour is bad: 0.3 % of the week. The budget of 1 % lasts some two hours more.
        let hour = 3_600_000 / limit.step_ms();
        let bad = |step: i64| if step > steps - hour && step % 2 == 0 { 2.0 } else { 0.0 };
        let judged = judge(&limit, bad);
        assert_eq!(judged.state, ObjectiveState::AtRisk, "{judged:?}");
        let hours = judged.until_ms.unwrap() as f64 / 3_600_000.0;
        assert!((5.0..20.0).contains(&hours), "{hours}");
        // The same an hour a day ago is none.
        let judged =
            judge(
                &limit,
                |step| if (steps / 2..steps / 2 + hour).contains(&step) { bad(steps - 1 - step % 2) } else { 0.0 },
            );
        assert_eq!((judged.state, judged.until_ms), (ObjectiveState::Met, None));
    }

    #[test]
    fn few_values_are_no_data() {
        let limit = objective(Limit::AtMost(1.0), 0.99);
        let found = limit.judge_points(String::new(), &points(&limit, |_| 0.0)[..11], 0);
        assert_eq!((found.state, found.value), (ObjectiveState::NoData, None));
        assert_eq!(found.reason, "11 values in 1w, at least 12 are needed");
        assert!(found.covered > 0.0 && found.covered < 0.01);
    }

    proptest! {
        /// The state follows from counting, whatever the values.
        #[test]
        fn met_is_what_counting_says(values in prop::collection::vec(-10.0..10.0_f64, 12..200), share in 0.01..=1.0_f64, at_most: bool) {
            let limit = objective(if at_most { Limit::AtMost(0.5) } else { Limit::AtLeast(0.5) }, share);
            let points: Vec<(i64, f64)> = values.iter().enumerate().map(|(idx, value)| (idx as i64 * 1000 - 1_000_000, *value)).collect();
            let judged = limit.judge_points(String::new(), &points, 0);
            let good = values.iter().filter(|value| limit.limit.is_good(**value)).count();
            let is_met = count(good) / count(values.len()) >= share;
            prop_assert_eq!(judged.state != ObjectiveState::Missed, is_met);
            prop_assert_eq!(judged.margin.unwrap() >= 0.0, is_met);
            prop_assert!(judged.until_ms.is_none_or(|until| until > 0));
        }
    }
}
