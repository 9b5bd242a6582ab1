//! A stored rule over a history: its bounds, where it is breached, and its alerts. Called by `pictures`.

use super::{applied_rule::AppliedRule, fetch::RuleHistory};
use crate::advise::threshold::{
    AlertMachine, AlertState, Instance, LabelledIncident, Setting,
    bounds::{Band, HourlyBounds, Objective},
};

/// A rule over a history.
pub(super) struct ReplayedRule {
    pub(super) setting: Setting,
    pub(super) bounds: DrawnBounds,
    /// For each instance whether it is breached at each evaluation.
    breached: Vec<Vec<bool>>,
}

/// The bounds of a rule at each evaluation; NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DrawnBounds {
    /// One bound.
    One(Vec<f64>),
    /// The lower and the upper end of a band.
    Band(Vec<f64>, Vec<f64>),
    /// No bound on the signal: the highest burn rate of all instances, which is bounded by 1.
    BurnRate(Vec<f64>),
}

/// Time from the first to the last firing evaluation of one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) start_ms: i64,
    /// The first evaluation at which it no longer fires, or the last evaluation.
    pub(super) end_ms: i64,
    pub(super) kind: EpisodeKind,
}

/// Whether an alert was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EpisodeKind {
    /// It fires during an incident that the rule is scored on.
    Right,
    /// It fires during incidents of other targets alone, and is neither right nor false.
    OfAnother,
    /// It fires outside of incidents.
    False,
}

impl ReplayedRule {
    /// Replays a stored rule. None when its comparison is unknown, or its bounds are not those of a week.
    pub(super) fn of(rule: &AppliedRule, history: &RuleHistory) -> Option<Self> {
        let setting = rule.setting()?;
        let instances = history.aligned.instances();
        let timestamps = &history.aligned.timestamps;
        let holds = |bound: &dyn Fn(i64) -> f64| {
            let of = |instance: &Instance<'_>| {
                let rows = instance.timestamps.iter().zip(instance.values);
                rows.map(|(&at_ms, &value)| setting.comparison.holds(value, bound(at_ms))).collect()
            };
            instances.iter().map(of).collect::<Vec<Vec<bool>>>()
        };
        if let Some((budget, period_ms)) = rule.objective {
            let burned = Objective { budget, period_ms }.burn_rates(&instances);
            let rates = burned.of(&instances);
            let above = |rate: &Instance<'_>| rate.values.iter().map(|rate| *rate > 1.0).collect();
            let highest =
                (0..timestamps.len()).map(|row| rates.iter().map(|rate| rate.values[row]).fold(f64::NAN, f64::max));
            let bounds = DrawnBounds::BurnRate(highest.collect());
            // The windows replace `for`.
            let setting = Setting { for_ms: 0, keep_firing_for_ms: 0, ..setting };
            return Some(Self { setting, bounds, breached: rates.iter().map(above).collect() });
        }
        if let Some(width) = rule.band_width {
            let band = Band::of(width, &setting);
            let ends: Vec<Vec<([f64; 2], bool)>> = instances.iter().map(|instance| band.ends(instance)).collect();
            let breached = ends.iter().map(|rows| rows.iter().map(|row| row.1).collect()).collect();
            // A band belongs to one instance.
            let (lower, upper) = ends.first()?.iter().map(|([lower, upper], _)| (lower, upper)).unzip();
            return Some(Self { setting, bounds: DrawnBounds::Band(lower, upper), breached });
        }
        let hourly = match &rule.hourly {
            Some(bounds) => Some(HourlyBounds::of(bounds.clone(), setting)?),
            None => None,
        };
        let bound = |at_ms: i64| hourly.as_ref().map_or(setting.bound, |hourly| hourly.at(at_ms));
        let bounds = DrawnBounds::One(timestamps.iter().map(|&at_ms| bound(at_ms)).collect());
        Some(Self { setting, bounds, breached: holds(&bound) })
    }

    /// Returns the alerts of all instances. At each instant of `restarts` every alert starts inactive, as at the start of
    /// a scored part.
    ///
    /// `incidents`: ascending and disjoint, as for [`score_rule`](crate::advise::threshold::score_rule).
    pub(super) fn episodes(
        &self,
        timestamps: &[i64],
        incidents: &[LabelledIncident],
        restarts: &[i64],
    ) -> Vec<Episode> {
        let machine = || AlertMachine::new(self.setting.for_ms, self.setting.keep_firing_for_ms);
        let mut episodes = Vec::new();
        for breached in &self.breached {
            let (mut alert, mut open, mut part, mut next): (_, Option<Episode>, _, _) = (machine(), None, 0, 0);
            for (&at_ms, &breached) in timestamps.iter().zip(breached) {
                let now = restarts.iter().filter(|restart| **restart <= at_ms).count();
                if now != part {
                    (alert, part) = (machine(), now);
                    episodes.extend(open.take().map(|episode| Episode { end_ms: at_ms, ..episode }));
                }
                while incidents.get(next).is_some_and(|incident| incident.end_ms < at_ms) {
                    next += 1;
                }
                if alert.step(at_ms, breached) != AlertState::Firing {
                    episodes.extend(open.take().map(|episode| Episode { end_ms: at_ms, ..episode }));
                    continue;
                }
                let episode = open.get_or_insert(Episode { start_ms: at_ms, end_ms: at_ms, kind: EpisodeKind::False });
                episode.end_ms = at_ms;
                match incidents.get(next).filter(|incident| incident.start_ms <= at_ms) {
                    Some(incident) if incident.own => episode.kind = EpisodeKind::Right,
                    Some(_) if episode.kind == EpisodeKind::False => episode.kind = EpisodeKind::OfAnother,
                    Some(_) | None => {}
                }
            }
            episodes.extend(open);
        }
        episodes.sort_by_key(|episode| episode.start_ms);
        episodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::{Comparison, score_rule};

    /// Alerts of the picture and alerts of the score are the same, whatever the rule and the incidents.
    #[test]
    fn episodes_are_those_of_the_score() {
        let n = 600_i64;
        let timestamps: Vec<i64> = (0..n).map(|row| row * 60_000).collect();
        for seed in 0..40_i64 {
            let noise = |row: i64, salt: i64| (row * row * (7 + seed) + row * 7_919 + salt * 104_729) % 101;
            let values: Vec<Vec<f64>> = (0..2)
                .map(|nth| (0..n).map(|row| f64::from(i32::try_from(noise(row / 3, nth)).unwrap())).collect())
                .collect();
            let incidents: Vec<LabelledIncident> = (0..n / 50)
                .map(|nth| LabelledIncident {
                    start_ms: (nth * 50 + seed) * 60_000,
                    end_ms: (nth * 50 + seed + 5) * 60_000,
                    own: (nth + seed) % 3 > 0,
                })
                .collect();
            let setting = Setting {
                comparison: Comparison::Greater,
                bound: 70.0 + f64::from(i32::try_from(seed % 20).unwrap()),
                for_ms: (seed % 3) * 60_000,
                keep_firing_for_ms: (seed % 2) * 120_000,
            };
            let instances: Vec<Instance<'_>> =
                values.iter().map(|values| Instance { timestamps: &timestamps, values }).collect();
            let breached = values.iter().map(|values| values.iter().map(|value| *value > setting.bound).collect());
            let rule = ReplayedRule { setting, bounds: DrawnBounds::One(Vec::new()), breached: breached.collect() };
            let count = |kind: Option<EpisodeKind>, episodes: &[Episode]| {
                episodes.iter().filter(|episode| kind.is_none_or(|kind| episode.kind == kind)).count()
            };
            // Scored as a whole, and from the middle on.
            for from_ms in [0, timestamps[300]] {
                let scored: Vec<Instance<'_>> = instances.iter().map(|instance| instance.from(from_ms)).collect();
                let score = score_rule(&scored, &incidents, &setting);
                let mut episodes = rule.episodes(&timestamps, &incidents, &[from_ms]);
                episodes.retain(|episode| episode.start_ms >= from_ms);
                assert_eq!(count(None, &episodes), score.alerts, "seed {seed}");
                assert_eq!(count(Some(EpisodeKind::False), &episodes), score.false_alerts, "seed {seed}");
                assert!(episodes.iter().all(|episode| episode.start_ms <= episode.end_ms));
            }
        }
    }
}
