//! Times-to-live by the hour of the day, where they serve better than a single one.

use almanac_models::ttl::{Access, DayCourse, HOURS, HourlyTtl, LivesByHour, OnWrite};
use serde_json::{Value, json};

use crate::advise::ttl::{
    Figure, TtlFigures, TtlOptions,
    choose::{candidates, seconds, utility},
    figures::ttl_seconds,
    predict::{Prediction, Predictor},
    replay::TrainTestSplit,
};

/// Of hit ratio that a schedule must gain over a single time-to-live.
const WORTH: f64 = 0.01;
/// Of hit ratio that each further part of the day must gain.
const PART_WORTH: f64 = 0.002;
/// A time-to-live above this outlives the part of the day to which it is given.
const LONGEST_MS: i64 = 6 * 3_600_000;
/// Ratio of neighbours among the times-to-live that are weighed; finer ones differ by less than what can be known of a stale share.
const LADDER: f64 = 1.4;
/// Both parts of the events must be this long: a day, less what is left of it before the first and after the last event.
const LEAST_MS: f64 = 23.0 * 3_600_000.0;
/// Halvings of the price of a stale hit, in misses and as a power of ten, between its ends.
const HALVINGS: usize = 9;
const PRICES: (f64, f64) = (-2.0, 5.0);

/// Consecutive hours of the day with one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOfDay {
    /// Its first UTC hour, 0 to 23.
    pub from: usize,
    /// The UTC hour at which it ends, 1 to 24; not above `from` when it spans midnight.
    pub until: usize,
    /// The time-to-live of copies filled in it, milliseconds.
    pub ttl_ms: i64,
}

/// Times-to-live by the part of the day, at most three.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySchedule {
    /// The parts, by their first hour.
    pub parts: Vec<PartOfDay>,
    /// Hits among reads.
    pub hit_ratio: Figure,
    /// Stale hits among hits.
    pub stale_share: Figure,
    /// Keys with a live copy, averaged over time.
    pub resident_keys_mean: Figure,
}

impl DaySchedule {
    /// `[{"from", "until", "ttl_seconds"}]`.
    #[must_use]
    pub fn parts_json(&self) -> Value {
        let part =
            |part: &PartOfDay| json!({"from": part.from, "until": part.until, "ttl_seconds": ttl_seconds(part.ttl_ms)});
        self.parts.iter().map(part).collect()
    }

    /// The figures of the schedule as a whole.
    #[must_use]
    pub fn figures_json(&self) -> Value {
        json!({
            "hit_ratio": self.hit_ratio.to_json(),
            "stale_share": self.stale_share.to_json(),
            "resident_keys_mean": self.resident_keys_mean.to_json(),
        })
    }

    /// As a clause.
    pub(in crate::advise::ttl) fn words(&self) -> String {
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|part| format!("{} s from {} to {} o'clock", seconds(part.ttl_ms), part.from, part.until))
            .collect();
        format!(
            "with {} (UTC), {:.1} % would hit and {:.2} % of them be stale",
            parts.join(", "),
            100.0 * self.hit_ratio.best_known().unwrap_or(0.0),
            100.0 * self.stale_share.best_known().unwrap_or(0.0)
        )
    }
}

/// The schedule that serves best under the stale limit, where it beats `single`, the figures of the recommended time-to-live.
///
/// Chosen on the first part; recommended only if the second part, replayed with the time-to-live that is in force when a copy is
/// filled, bears it out: the limit is kept, the hit ratio is no less than the prediction's lower end, and a hundredth more than
/// that of the single one, unless that one does not keep the limit.
pub(in crate::advise::ttl) fn schedule(split: &TrainTestSplit<'_>, single: Option<&TtlFigures>) -> Option<DaySchedule> {
    if split.known.len_ms() < LEAST_MS || split.second.len_ms() < LEAST_MS {
        return None;
    }
    let options = split.options;
    let writes = split.traces.iter().flatten().filter(|event| event.access == Access::Write);
    let course = DayCourse::fit(writes.map(|event| event.at_ms), split.known);
    let predictor = split.predictor(options.on_write).with_course(course);
    let (day, prediction) = Weighed::new(split, &predictor).best(&predictor, options)?;
    let single_predicted = single.map(|row| row.hit_ratio.predicted.value.unwrap_or(0.0));
    // Not even promised: the replay need not be asked.
    if single_predicted.is_some_and(|hit| prediction.hit_ratio.value.unwrap_or(0.0) < hit) {
        return None;
    }
    let [hit_ratio, stale_share, resident_keys_mean] =
        split.replayed.figures(&day, &prediction, options.on_write, split.second);
    let (hit, stale) = (hit_ratio.replayed?, stale_share.replayed?);
    let kept = stale <= options.stale_share_max && hit >= prediction.hit_ratio.lower;
    let beaten = single.is_none_or(|row| {
        let (Some(single_hit), Some(single_stale)) = (row.hit_ratio.replayed, row.stale_share.replayed) else {
            return false;
        };
        let gained = utility(hit, stale, options.costs) - utility(single_hit, single_stale, options.costs);
        gained >= WORTH || single_stale > options.stale_share_max
    });
    (kept && beaten).then(|| DaySchedule { parts: parts(&day), hit_ratio, stale_share, resident_keys_mean })
}

/// Runs of hours with the same time-to-live, that which spans midnight last.
fn parts(day: &HourlyTtl) -> Vec<PartOfDay> {
    let hours = day.hours();
    let begins = |hour: &usize| hours[*hour] != hours[(hour + HOURS - 1) % HOURS];
    let starts: Vec<usize> = (0..HOURS).filter(begins).collect();
    (0..starts.len())
        .map(|idx| {
            let (from, until) = (starts[idx], starts[(idx + 1) % starts.len()]);
            PartOfDay { from, until: if until == 0 { HOURS } else { until }, ttl_ms: hours[from] }
        })
        .collect()
}

/// What each time-to-live costs in each hour.
struct Weighed {
    ladder_ms: Vec<i64>,
    /// One entry a time-to-live of the ladder.
    lives: Vec<LivesByHour>,
    gets: f64,
}

impl Weighed {
    fn new(split: &TrainTestSplit<'_>, predictor: &Predictor<'_>) -> Self {
        let mut ladder_ms: Vec<i64> = Vec::new();
        for ttl_ms in candidates(&split.options.grid_ms).into_iter().filter(|ttl_ms| *ttl_ms <= LONGEST_MS) {
            if ladder_ms.last().is_none_or(|last| seconds(ttl_ms) >= LADDER * seconds(*last)) {
                ladder_ms.push(ttl_ms);
            }
        }
        let drop = split.options.on_write == OnWrite::Drop;
        let mut lives = vec![LivesByHour::default(); ladder_ms.len()];
        let mut gets = 0.0;
        for (nth, events) in split.traces.iter().enumerate() {
            gets += events.iter().filter(|event| event.access == Access::Get).count() as f64;
            for (ttl_ms, lives) in ladder_ms.iter().zip(&mut lives) {
                lives.observe(events, *ttl_ms, drop, predictor.writes(nth), split.known);
            }
        }
        Self { ladder_ms, lives, gets }
    }

    /// The cheapest price of a stale hit at which the schedule keeps the limit for sure, and that schedule.
    fn best(&self, predictor: &Predictor<'_>, options: &TtlOptions) -> Option<(HourlyTtl, Prediction)> {
        let least = options.costs.map_or(PRICES.0, |costs| (costs.stale / costs.miss).log10().max(PRICES.0));
        let (mut low, mut high) = (least, PRICES.1.max(least));
        let mut best: Option<(HourlyTtl, Prediction)> = None;
        for nth in 0..HALVINGS {
            // The cheapest at first: there may be nothing to pay for.
            let price = if nth == 0 { low } else { f64::midpoint(low, high) };
            let day = self.cheapest(10.0_f64.powf(price))?;
            let prediction = predictor.predict(&day);
            let kept = prediction.stale_share.upper <= options.stale_share_max;
            let better =
                best.as_ref().is_none_or(|(_, held)| prediction.utility(options.costs) > held.utility(options.costs));
            if kept && better {
                best = Some((day, prediction));
            }
            match (nth, kept) {
                (0, true) => break,
                (0, false) => {}
                (_, true) => high = price,
                (_, false) => low = price,
            }
        }
        best.filter(|(day, _)| parts(day).len() > 1)
    }

    /// The schedule of at most three parts with the fewest misses and stale hits, a stale one at `price` misses.
    fn cheapest(&self, price: f64) -> Option<HourlyTtl> {
        let arcs = self.arcs(price);
        let arc = |from: usize, until: usize| arcs[from][(until + HOURS - from - 1) % HOURS];
        let part_cost = PART_WORTH * self.gets;
        let mut best: Option<(f64, Vec<(usize, usize)>)> = None;
        let mut offer = |bounds: &[usize]| {
            let turned = bounds.iter().skip(1).chain(bounds.first());
            let pairs: Vec<(usize, usize)> = bounds.iter().copied().zip(turned.copied()).collect();
            let cost: f64 = pairs.iter().map(|(from, until)| arc(*from, *until).0 + part_cost).sum();
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, pairs));
            }
        };
        for first in 0..HOURS {
            if first == 0 {
                offer(&[0]);
            }
            for second in first + 1..HOURS {
                offer(&[first, second]);
                (second + 1..HOURS).for_each(|third| offer(&[first, second, third]));
            }
        }
        let (_, pairs) = best?;
        let mut hours = [0; HOURS];
        for (from, until) in pairs {
            let ttl_ms = *self.ladder_ms.get(arc(from, until).1)?;
            let len = (until + HOURS - from - 1) % HOURS + 1;
            (from..from + len).for_each(|hour| hours[hour % HOURS] = ttl_ms);
        }
        Some(HourlyTtl::from_fn(|hour| hours[hour]))
    }

    /// For each first hour and each length less one: the least cost of one time-to-live there, and which.
    fn arcs(&self, price: f64) -> Vec<[(f64, usize); HOURS]> {
        let mut arcs = vec![[(f64::INFINITY, 0); HOURS]; HOURS];
        for (nth, lives) in self.lives.iter().enumerate() {
            for (from, arcs) in arcs.iter_mut().enumerate() {
                let mut cost = 0.0;
                for (length, arc) in arcs.iter_mut().enumerate() {
                    let hour = (from + length) % HOURS;
                    cost += lives.lives[hour] + price * lives.stale_hits[hour];
                    if cost < arc.0 {
                        *arc = (cost, nth);
                    }
                }
            }
        }
        arcs
    }
}
