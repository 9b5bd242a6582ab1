//! The level that a signal sustains for the length of a rule's `for`, and the bounds that are worth trying on it.

use crate::advise::threshold::{Instance, LabelledIncident, Setting};

/// Quantiles of the levels outside of incidents that are tried as bounds.
const QUANTILES: [f64; 14] =
    [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995, 1.0];
/// Maximum number of incident strengths that are tried as bounds for each `for`.
const STRENGTHS_MAX: usize = 24;

/// Levels that a signal sustains for one `for`, multiplied by the sign of the comparison: larger is worse.
pub(super) struct SustainedLevels {
    /// Levels outside of incidents, ascending.
    calm: Vec<f64>,
    /// Highest sustained level of each incident, ascending, without incidents that have no value.
    strengths: Vec<f64>,
}

impl SustainedLevels {
    /// Computes the levels of all instances. `incidents`: ascending and disjoint; those of other targets are skipped.
    pub(super) fn of(instances: &[Instance<'_>], incidents: &[LabelledIncident], setting: &Setting) -> Self {
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

    /// Returns the strength of the weakest incident above a level.
    pub(super) fn weakest_above(&self, level: f64) -> Option<f64> {
        self.strengths.get(self.strengths.partition_point(|strength| *strength <= level)).copied()
    }

    /// Returns the bounds to try, ascending: quantiles of the levels outside of incidents, the bounds that just catch
    /// each incident, the present bound, and the midpoints between neighbours.
    pub(super) fn bounds(&self, setting: &Setting) -> Vec<f64> {
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

/// Computes at each evaluation the lowest level within the last `for_ms`: an alert with that `for` fires exactly where
/// this is above the bound. −∞ where a value is missing or the history is shorter than `for_ms`. Linear time.
pub(super) fn sustained(instance: &Instance<'_>, for_ms: i64, sign: f64) -> Vec<f64> {
    let level = |idx: usize| {
        let value = sign * instance.values[idx];
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    };
    let times = instance.timestamps;
    // Monotonic queue: indices of the stretch with ascending levels, so that the front is the minimum.
    let mut least: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    let mut begin = 0;
    (0..times.len())
        .map(|idx| {
            while least.back().is_some_and(|&back| level(back) >= level(idx)) {
                least.pop_back();
            }
            least.push_back(idx);
            // The stretch begins at the latest evaluation that is at least `for_ms` old.
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

/// Returns the quantile of ascending values, as the nearest value.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
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

/// Rounds `value` to the fewest significant digits that stay within `[lowest, highest]`.
pub(super) fn round_within(value: f64, lowest: f64, highest: f64) -> f64 {
    (0..16)
        .filter_map(|digits| format!("{value:.digits$e}").parse::<f64>().ok())
        .find(|rounded| (lowest..=highest).contains(rounded))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::{AlertMachine, AlertState};
    use proptest::prelude::*;

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
        /// An alert fires exactly where the sustained level is above the bound.
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
