//! Plans replicas for the next hours from a forecast of the demand's peaks. Called by `advisor`.

use almanac_models::{
    Horizon, Step, Timestamp,
    forecast::{AutoForecaster, Fit, ForecastError},
};

use crate::advise::scaling::{DemandHistory, PoolRules, ScalingError, WorkloadSpec};

const DAY_MS: i64 = 86_400_000;
/// Maximum number of slots per day of the schedule: a quarter of an hour each.
const SLOTS_A_DAY: i64 = 96;
/// Quantile of demand that the schedule serves when no costs are stated.
const QUANTILE: f64 = 0.95;
/// Maximum shortfall of the held-out coverage below the quantile. Beyond it there is no schedule.
const MAX_COVERAGE_GAP: f64 = 0.1;

/// Replicas from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleSlot {
    /// Start, epoch milliseconds.
    pub from_ms: i64,
    /// Number of replicas.
    pub replicas: u32,
}

/// Planned replicas over the next hours.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Changes in ascending time; a slot holds until the next.
    pub slots: Vec<ScheduleSlot>,
    /// End of the last slot, epoch milliseconds.
    pub until_ms: i64,
    /// Quantile of demand that it serves.
    pub quantile: f64,
    /// Model of the forecast.
    pub model: String,
    /// Share of the newest slots whose demand was at or below that quantile, forecast without them.
    pub coverage: f64,
}

impl Schedule {
    /// Plans replicas for `horizon_ms` after the history: for each quarter of an hour the upper quantile of its highest
    /// demand, early enough for replicas to start.
    ///
    /// # Errors
    /// [`ScalingError::Schedule`] when the forecast fails or its held-out coverage is too low.
    pub fn plan(history: &DemandHistory, spec: &WorkloadSpec, rules: &PoolRules) -> Result<Self, ScalingError> {
        let no_schedule = |reason: String| ScalingError::Schedule { reason };
        let per_slot = (spec.day_ms / SLOTS_A_DAY / history.step_ms()).max(1);
        let slot_ms = per_slot * history.step_ms();
        let per_slot = usize::try_from(per_slot).unwrap_or(1);
        // Slots end with the history, so that the newest one is complete.
        let peaks: Vec<f64> = history.values().rchunks_exact(per_slot).map(highest).rev().collect();
        let slots_a_day = spec.day_ms / slot_ms;
        let n_slots = i64::try_from(peaks.len()).unwrap_or(i64::MAX);
        let mut seasons = Vec::new();
        for days in [1, 7] {
            // A season must be a whole number of slots, with at least two periods of history.
            if spec.day_ms % slot_ms == 0 && n_slots >= 2 * days * slots_a_day && slots_a_day >= 2 {
                seasons.push(Step::from_millis(days * spec.day_ms)?);
            }
        }
        if seasons.is_empty() {
            return Err(no_schedule(format!(
                "two days of history are needed, there are {n_slots} slots of {slot_ms} ms"
            )));
        }
        // A target above the usual one allows demand to exceed the schedule more often; a lower target adds headroom to
        // demand.
        let exceeded = spec.unserved_cost_ratio.map_or(1.0 - QUANTILE, |ratio| 1.0 / (1.0 + ratio));
        let quantile = (1.0 - exceeded * rules.thrift().max(1.0)).clamp(0.5, 0.999);
        let steps = usize::try_from(spec.horizon_ms / slot_ms).unwrap_or(1).max(1);
        let last_ms = history.timestamps()[history.len() - 1];
        // Start of the first slot: rows before it do not fill a slot.
        let first_ms = last_ms + history.step_ms() - n_slots * slot_ms;
        let local_time = spec.zone.filter(|_| spec.day_ms == DAY_MS).map(|zone| {
            let (from, until) = (Timestamp::from_millis(first_ms), Timestamp::from_millis(last_ms + spec.horizon_ms));
            (zone.offsets(from, until), from)
        });
        let forecast = |peaks: &[f64], steps: usize| {
            let horizon = Horizon::try_new(steps)?;
            let mut forecaster = AutoForecaster::new(Step::from_millis(slot_ms)?).with_seasons(seasons.clone());
            if let Some((offsets, from)) = &local_time {
                forecaster = forecaster.with_clocks(offsets.clone(), *from);
            }
            let fitted = forecaster.with_horizon(horizon).fit(peaks)?;
            Ok::<_, ForecastError>((fitted.quantile(horizon, quantile)?, fitted.model().to_owned()))
        };
        let failed = |error: ForecastError| no_schedule(error.to_string());
        let (learned, held_out) = peaks.split_at(peaks.len() - steps.min(peaks.len() / 4));
        let (bounds, _) = forecast(learned, held_out.len()).map_err(failed)?;
        let below = held_out.iter().zip(&bounds).filter(|(demand, bound)| demand <= bound).count();
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let coverage = count(below) / count(held_out.len()).max(1.0);
        if coverage < quantile - MAX_COVERAGE_GAP {
            let (held, promised) = (100.0 * coverage, 100.0 * quantile);
            return Err(no_schedule(format!(
                "the {promised:.0} % bound held {held:.0} % of the time on held-out demand"
            )));
        }
        let (upper, model) = forecast(&peaks, steps).map_err(failed)?;
        let start_ms = history.timestamps()[history.len() - 1] + history.step_ms();
        let lead = usize::try_from((rules.startup_ms + slot_ms - 1) / slot_ms).unwrap_or(0);
        Ok(Self {
            slots: slots(&upper, rules, start_ms, slot_ms, lead),
            until_ms: start_ms + slot_ms * i64::try_from(upper.len()).unwrap_or(0),
            quantile,
            model,
            coverage,
        })
    }

    /// Returns the planned replicas at `at_ms`. None outside the schedule.
    #[must_use]
    pub fn at(&self, at_ms: i64) -> Option<u32> {
        let idx = self.slots.partition_point(|slot| slot.from_ms <= at_ms).checked_sub(1)?;
        (at_ms < self.until_ms).then(|| self.slots[idx].replicas)
    }
}

/// Joins slots of equal replicas. Each slot serves the peak of itself and of the next `lead` slots.
fn slots(upper: &[f64], rules: &PoolRules, start_ms: i64, slot_ms: i64, lead: usize) -> Vec<ScheduleSlot> {
    let mut slots: Vec<ScheduleSlot> = Vec::new();
    let mut from_ms = start_ms;
    for idx in 0..upper.len() {
        let demand = highest(&upper[idx..(idx + lead + 1).min(upper.len())]);
        let replicas = rules.needed_with_headroom(demand.max(0.0)).clamp(rules.replicas_min, rules.replicas_max);
        if slots.last().is_none_or(|last| last.replicas != replicas) {
            slots.push(ScheduleSlot { from_ms, replicas });
        }
        from_ms += slot_ms;
    }
    slots
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PoolRules {
        WorkloadSpec::new("api", "demand").pool_rules(10.0)
    }

    #[test]
    fn slots_join_and_ask_a_startup_early() {
        let check = |lead: usize, expected: &[(i64, u32)]| {
            let got = slots(&[5.0, 5.0, 25.0, 25.0, 0.0], &rules(), 1_000, 100, lead);
            let got: Vec<(i64, u32)> = got.iter().map(|slot| (slot.from_ms, slot.replicas)).collect();
            assert_eq!(got, expected);
        };
        check(0, &[(1_000, 1), (1_200, 3), (1_400, 1)]);
        check(1, &[(1_000, 1), (1_100, 3), (1_400, 1)]);
    }

    #[test]
    fn a_schedule_covers_only_its_span() {
        let slots = vec![ScheduleSlot { from_ms: 10, replicas: 2 }, ScheduleSlot { from_ms: 20, replicas: 5 }];
        let schedule = Schedule { slots, until_ms: 30, quantile: 0.95, model: "m".into(), coverage: 0.95 };
        assert_eq!([9, 10, 19, 20, 29, 30].map(|at| schedule.at(at)), [None, Some(2), Some(2), Some(5), Some(5), None]);
    }

    #[test]
    fn a_daily_course_is_followed() {
        let minute = 60_000;
        let timestamps: Vec<i64> = (0..14 * 1440).map(|i| i * minute).collect();
        let phase = |ms: i64| f64::from(u32::try_from(ms % 86_400_000).unwrap()) / 86_400_000.0 * std::f64::consts::TAU;
        let noise = |ms: i64| f64::from(u32::try_from((ms / minute * 7919) % 101).unwrap()) / 101.0 - 0.5;
        let values = timestamps.iter().map(|&ms| 100.0 - 80.0 * phase(ms).cos() + 6.0 * noise(ms)).collect();
        let history = DemandHistory::try_new(timestamps, values).unwrap();
        let schedule = Schedule::plan(&history, &WorkloadSpec::new("api", "demand"), &rules()).unwrap();
        let start = 14 * 86_400_000;
        let hour = 3_600_000;
        for day in 0..2 {
            let at = |hours: i64| schedule.at(start + day * 24 * hour + hours * hour).unwrap();
            assert!((2..=6).contains(&at(0)), "{}", at(0));
            assert!((18..=22).contains(&at(12)), "{}", at(12));
        }
        assert_eq!(schedule.at(start + 48 * hour), None);
    }
}
