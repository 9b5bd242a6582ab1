//! Times-to-live by hour of the day, if they are better than a single one. Called by `replay`.

use almanac_models::ttl::{Access, DayCourse, HOURS, HourlyTtl, LivesByHour, OnWrite};
use serde_json::{Value, json};

use crate::advise::ttl::{
    Figure, TtlFigures, TtlOptions,
    choose::{candidates, seconds},
    figures::ttl_seconds,
    predict::{Prediction, Predictor, utility},
    split::TrainTestSplit,
};

/// Minimum gain of utility of a schedule over a single time-to-live, in hit ratio.
const MIN_GAIN: f64 = 0.01;
/// Minimum gain of each further part of the day, in hit ratio.
const PART_MIN_GAIN: f64 = 0.002;
/// Maximum time-to-live of a part, milliseconds. A longer one outlives its part of the day.
const MAX_TTL_MS: i64 = 6 * 3_600_000;
/// Ratio of neighbouring candidate times-to-live. Finer steps differ by less than the error of a stale share.
const TTL_RATIO: f64 = 1.4;
/// Minimum length of both parts of the events, milliseconds: a day less the time before the first and after the last
/// event.
const MIN_SPAN_MS: f64 = 23.0 * 3_600_000.0;
/// Number of bisections of the price of a stale hit.
const BISECTIONS: usize = 9;
/// Range of that price in misses, as powers of ten.
const PRICE_RANGE_LOG10: (f64, f64) = (-2.0, 5.0);

/// Consecutive hours of the day with one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOfDay {
    /// First UTC hour, 0 to 23.
    pub from: usize,
    /// UTC hour of the end, 1 to 24; not above `from` when the part spans midnight.
    pub until: usize,
    /// Time-to-live of copies filled in this part, milliseconds.
    pub ttl_ms: i64,
}

/// Times-to-live by part of the day, at most three parts.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySchedule {
    /// Parts in the order of their first hour.
    pub parts: Vec<PartOfDay>,
    /// Hits among reads.
    pub hit_ratio: Figure,
    /// Stale hits among hits.
    pub stale_share: Figure,
    /// Keys with a live copy, averaged over time.
    pub resident_keys_mean: Figure,
}

impl DaySchedule {
    /// Returns `[{"from", "until", "ttl_seconds"}]`.
    #[must_use]
    pub fn parts_json(&self) -> Value {
        let part =
            |part: &PartOfDay| json!({"from": part.from, "until": part.until, "ttl_seconds": ttl_seconds(part.ttl_ms)});
        self.parts.iter().map(part).collect()
    }

    /// Returns the figures of the whole schedule as JSON.
    #[must_use]
    pub fn figures_json(&self) -> Value {
        json!({
            "hit_ratio": self.hit_ratio.to_json(),
            "stale_share": self.stale_share.to_json(),
            "resident_keys_mean": self.resident_keys_mean.to_json(),
        })
    }

    /// Returns the schedule as a clause.
    pub(in crate::advise::ttl) fn describe(&self) -> String {
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|part| format!("{} s from {} to {} o'clock", seconds(part.ttl_ms), part.from, part.until))
            .collect();
        format!(
            "with {} (UTC), {:.1} % would hit and {:.2} % of them would be stale",
            parts.join(", "),
            100.0 * self.hit_ratio.best_known().unwrap_or(0.0),
            100.0 * self.stale_share.best_known().unwrap_or(0.0)
        )
    }
}

/// Returns the best schedule under the stale limit if it is better than `single`, the recommended time-to-live.
///
/// The schedule is chosen on the first part and replayed on the second with the time-to-live of the hour in which a
/// copy is filled. The replay must keep the limit, reach the lower end of the predicted hit ratio, and gain the minimum
/// over `single` unless `single` exceeds the limit.
pub(in crate::advise::ttl) fn schedule(split: &TrainTestSplit<'_>, single: Option<&TtlFigures>) -> Option<DaySchedule> {
    if split.train_window.len_ms() < MIN_SPAN_MS || split.test_window.len_ms() < MIN_SPAN_MS {
        return None;
    }
    let options = split.options;
    let writes = split.traces.iter().flatten().filter(|event| event.access == Access::Write);
    let course = DayCourse::fit(writes.map(|event| event.at_ms), split.train_window);
    let predictor = split.predictor(options.on_write).with_course(course);
    let (day, prediction) = HourlyCosts::new(split, &predictor).best(&predictor, options)?;
    let single_predicted = single.map(|row| row.hit_ratio.predicted.value.unwrap_or(0.0));
    // A lower prediction than the single time-to-live's needs no replay.
    if single_predicted.is_some_and(|hit| prediction.hit_ratio.value.unwrap_or(0.0) < hit) {
        return None;
    }
    let [hit_ratio, stale_share, resident_keys_mean] =
        split.test_accesses.figures(&day, &prediction, options.on_write, split.test_window);
    let (hit, stale) = (hit_ratio.replayed?, stale_share.replayed?);
    let kept = stale <= options.stale_share_max && hit >= prediction.hit_ratio.lower;
    let beaten = single.is_none_or(|row| {
        let (Some(single_hit), Some(single_stale)) = (row.hit_ratio.replayed, row.stale_share.replayed) else {
            return false;
        };
        let gained = utility(hit, stale, options.costs) - utility(single_hit, single_stale, options.costs);
        gained >= MIN_GAIN || single_stale > options.stale_share_max
    });
    (kept && beaten).then(|| DaySchedule { parts: parts(&day), hit_ratio, stale_share, resident_keys_mean })
}

/// Returns the runs of hours with equal time-to-live; the run that spans midnight is last.
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

/// Cost of each candidate time-to-live in each hour.
struct HourlyCosts {
    ttls_ms: Vec<i64>,
    /// One entry for each candidate.
    lives: Vec<LivesByHour>,
    gets: f64,
}

impl HourlyCosts {
    /// Replays every candidate on the first part.
    fn new(split: &TrainTestSplit<'_>, predictor: &Predictor<'_>) -> Self {
        let mut ttls_ms: Vec<i64> = Vec::new();
        for ttl_ms in candidates(&split.options.grid_ms).into_iter().filter(|ttl_ms| *ttl_ms <= MAX_TTL_MS) {
            if ttls_ms.last().is_none_or(|last| seconds(ttl_ms) >= TTL_RATIO * seconds(*last)) {
                ttls_ms.push(ttl_ms);
            }
        }
        let drop = split.options.on_write == OnWrite::Drop;
        let mut lives = vec![LivesByHour::default(); ttls_ms.len()];
        let mut gets = 0.0;
        for (nth, events) in split.traces.iter().enumerate() {
            gets += events.iter().filter(|event| event.access == Access::Get).count() as f64;
            for (ttl_ms, lives) in ttls_ms.iter().zip(&mut lives) {
                lives.observe(events, *ttl_ms, drop, predictor.writes(nth), split.train_window);
            }
        }
        Self { ttls_ms, lives, gets }
    }

    /// Returns the schedule at the lowest price of a stale hit at which it surely keeps the limit.
    fn best(&self, predictor: &Predictor<'_>, options: &TtlOptions) -> Option<(HourlyTtl, Prediction)> {
        let least = options
            .costs
            .map_or(PRICE_RANGE_LOG10.0, |costs| (costs.stale / costs.miss).log10().max(PRICE_RANGE_LOG10.0));
        let (mut low, mut high) = (least, PRICE_RANGE_LOG10.1.max(least));
        let mut best: Option<(HourlyTtl, Prediction)> = None;
        for nth in 0..BISECTIONS {
            // The lowest price goes first: it may already keep the limit.
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

    /// Returns the schedule of at most three parts with the lowest cost in misses. A stale hit costs `price` misses.
    fn cheapest(&self, price: f64) -> Option<HourlyTtl> {
        let arcs = self.arcs(price);
        let arc = |from: usize, until: usize| arcs[from][(until + HOURS - from - 1) % HOURS];
        let part_cost = PART_MIN_GAIN * self.gets;
        let mut best: Option<(f64, Vec<(usize, usize)>)> = None;
        // A part costs the misses and stale hits of its hours and a constant, which prefers fewer parts.
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
            let ttl_ms = *self.ttls_ms.get(arc(from, until).1)?;
            let len = (until + HOURS - from - 1) % HOURS + 1;
            (from..from + len).for_each(|hour| hours[hour % HOURS] = ttl_ms);
        }
        Some(HourlyTtl::from_fn(|hour| hours[hour]))
    }

    /// Returns for each first hour and each length less one the minimum cost of one time-to-live there, and its index.
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
