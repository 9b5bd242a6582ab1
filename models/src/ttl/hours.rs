//! Times-to-live by UTC hour of the day: the setting, the daily course of rates, and the lives of copies in each hour.

use super::{Access, KeyEvent, Lifetime, Window};

/// Hours of a day.
pub const HOURS: usize = 24;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A time-to-live for each UTC hour of the day. A copy keeps that of the hour of its fill.
///
/// ```
/// use almanac_models::ttl::{Access, HourlyTtl, KeyEvent, OnWrite, Window, replay};
/// // A minute from midnight to noon, an hour after noon.
/// let day = HourlyTtl::from_fn(|hour| if hour < 12 { 60_000 } else { 3_600_000 });
/// let at = |at_ms| KeyEvent { at_ms, access: Access::Get };
/// let (noon, minute) = (12 * 3_600_000, 60_000);
/// let events = [at(noon - minute), at(noon), at(noon + 59 * minute), at(noon + 60 * minute)];
/// let tally = replay(&events, &day, OnWrite::Keep, Window { start_ms: 0, end_ms: 2 * noon });
/// assert_eq!((tally.gets, tally.hits), (4.0, 1.0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyTtl([i64; HOURS]);

impl HourlyTtl {
    /// Creates it from the milliseconds of each hour, 0 to 23.
    #[must_use]
    pub fn from_fn(ttl_ms: impl FnMut(usize) -> i64) -> Self {
        Self(std::array::from_fn(ttl_ms))
    }

    /// Returns the milliseconds of each hour.
    #[must_use]
    pub fn hours(&self) -> &[i64; HOURS] {
        &self.0
    }
}

impl Lifetime for &HourlyTtl {
    fn ttl_ms(self, filled_ms: i64) -> i64 {
        self.0[hour_of_day(filled_ms)]
    }
}

/// Returns the UTC hour of an epoch millisecond, 0 to 23.
#[must_use]
pub fn hour_of_day(epoch_ms: i64) -> usize {
    usize::try_from(epoch_ms.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0)
}

/// Relative rate of events in each UTC hour of the day; the mean is 1.
///
/// ```
/// use almanac_models::ttl::{DayCourse, Window};
/// let hour = 3_600_000;
/// // Once per minute from 08:00 to 16:00, for two days.
/// let stamps = (0..2 * 24 * 60).map(|minute| minute * 60_000).filter(|at_ms| (8..16).contains(&(at_ms / hour % 24)));
/// let course = DayCourse::fit(stamps, Window { start_ms: 0, end_ms: 48 * hour });
/// assert!((course.weights()[12] - 3.0).abs() < 0.05 && course.weights()[3] < 0.02);
/// // 15:00 to 17:00 counts as much as three average hours.
/// assert!((course.between(15 * hour, 17 * hour) / 3_600_000.0 - 3.0).abs() < 0.02);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DayCourse {
    weights: [f64; HOURS],
    /// Sums of the weights of all earlier hours.
    before: [f64; HOURS],
}

impl DayCourse {
    /// Returns a course with weight 1 in every hour.
    #[must_use]
    pub fn flat() -> Self {
        Self::from_weights([1.0; HOURS])
    }

    /// Fits the weights on the stamps, in epoch milliseconds, of the events in `window`; flat if the window is shorter
    /// than a day or has no event.
    ///
    /// The model is Poisson counts with gamma-distributed rates around the mean of all hours, as in
    /// [`WriteRates`](super::WriteRates): without overdispersion the result is flat.
    #[must_use]
    pub fn fit(stamps: impl IntoIterator<Item = i64>, window: Window) -> Self {
        let mut counts = [0.0_f64; HOURS];
        for at_ms in stamps.into_iter().filter(|at_ms| (window.start_ms..window.end_ms).contains(at_ms)) {
            counts[hour_of_day(at_ms)] += 1.0;
        }
        let days = exposure_days(window);
        let span: f64 = days.iter().sum();
        let rate = counts.iter().sum::<f64>() / span;
        if !(rate > 0.0) || days.iter().any(|days| *days < 0.9) {
            return Self::flat();
        }
        let expected = days.map(|days| days * rate);
        let squares: f64 = expected.iter().map(|m| m * m).sum();
        let beyond: f64 = expected.iter().zip(&counts).map(|(m, n)| (n - m).powi(2) - m).sum();
        if beyond <= 1e-9 * squares {
            return Self::flat();
        }
        // Gamma shape by the method of moments; each weight is a posterior mean over the common rate.
        let shape = squares / beyond;
        let raw: [f64; HOURS] = std::array::from_fn(|hour| (counts[hour] + shape) / (expected[hour] + shape));
        let mean = raw.iter().sum::<f64>() / 24.0;
        Self::from_weights(raw.map(|weight| weight / mean))
    }

    fn from_weights(weights: [f64; HOURS]) -> Self {
        let mut before = [0.0; HOURS];
        for hour in 1..HOURS {
            before[hour] = before[hour - 1] + weights[hour - 1];
        }
        Self { weights, before }
    }

    /// Returns the weight of each hour.
    #[must_use]
    pub fn weights(&self) -> &[f64; HOURS] {
        &self.weights
    }

    /// Returns the milliseconds from `from_ms` to `until_ms`, each multiplied by the weight of its hour.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub fn between(&self, from_ms: i64, until_ms: i64) -> f64 {
        let within = |at_ms: i64| {
            let hour = hour_of_day(at_ms);
            HOUR_MS as f64 * self.before[hour] + at_ms.rem_euclid(HOUR_MS) as f64 * self.weights[hour]
        };
        // The weights of a whole day sum to a day.
        let days = until_ms.div_euclid(DAY_MS) - from_ms.div_euclid(DAY_MS);
        (days * DAY_MS) as f64 + within(until_ms) - within(from_ms)
    }
}

/// Returns how many times each hour of the day is contained in a window.
fn exposure_days(window: Window) -> [f64; HOURS] {
    let part = |hour: i64| {
        // All days between the first and the last are whole.
        let (first, last) = (window.start_ms.div_euclid(DAY_MS), window.end_ms.div_euclid(DAY_MS));
        let share = |day: i64| {
            let begin = day * DAY_MS + hour * HOUR_MS;
            #[expect(clippy::cast_precision_loss, reason = "an hour")]
            let inside = (window.end_ms.min(begin + HOUR_MS) - window.start_ms.max(begin)).max(0) as f64;
            inside / 3_600_000.0
        };
        if first == last {
            return share(first);
        }
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let whole = (last - first - 1).max(0) as f64;
        share(first) + whole + share(last)
    };
    std::array::from_fn(|hour| part(i64::try_from(hour).unwrap_or(0)))
}

/// Lives of copies and their expected stale hits in each UTC hour, at a time-to-live in that hour.
///
/// In each hour, the replay starts with the key's first read and ends with the copy that outlives the hour, of which
/// the part within the hour counts. Hours are therefore independent: each can be given its own time-to-live without a
/// replay of every combination. A replay from one common start would leave hours without a fill when all lives start at
/// the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LivesByHour {
    /// Lives of copies, each of which starts with a miss.
    pub lives: [f64; HOURS],
    /// Expected stale hits of these lives.
    pub stale_hits: [f64; HOURS],
}

impl LivesByHour {
    /// Adds one key at the time-to-live `ttl_ms`; `events`, `writes`, `window` as for
    /// [`expected_stale_hits`](super::expected_stale_hits), stamps since the epoch. `drop`: whether a write drops the
    /// copy. Time O(events · (1 + time-to-live in hours)).
    pub fn observe(
        &mut self,
        events: &[KeyEvent],
        ttl_ms: i64,
        drop: bool,
        writes: impl Fn(i64, i64) -> f64,
        window: Window,
    ) {
        let first = events.partition_point(|event| event.at_ms < window.start_ms);
        let last = events.partition_point(|event| event.at_ms <= window.end_ms).max(first);
        // Each iteration handles the hour of the first remaining event.
        let mut rest = &events[first..last];
        while let Some(event) = rest.first() {
            let end_ms = event.at_ms.div_euclid(HOUR_MS).saturating_add(1).saturating_mul(HOUR_MS);
            let mut life = next_read(rest);
            while let Some(filled_ms) = life.first().map(|fill| fill.at_ms).filter(|at_ms| *at_ms < end_ms) {
                let (stale, after) = one_life(life, ttl_ms, drop, &writes);
                // A copy that outlives the window is assumed to be replaced as soon as it expires.
                let until_ms =
                    after.first().map_or(window.end_ms.max(filled_ms.saturating_add(ttl_ms)), |fill| fill.at_ms);
                let share = span_ms(filled_ms, end_ms) / span_ms(filled_ms, until_ms).max(1.0);
                let hour = hour_of_day(filled_ms);
                self.lives[hour] += share.min(1.0);
                self.stale_hits[hour] += share.min(1.0) * stale;
                life = after;
            }
            rest = &rest[rest.partition_point(|event| event.at_ms < end_ms)..];
        }
    }
}

/// Returns the events from the next read on.
fn next_read(events: &[KeyEvent]) -> &[KeyEvent] {
    let read = events.iter().position(|event| event.access == Access::Get);
    &events[read.unwrap_or(events.len())..]
}

/// Returns the expected stale hits of the copy filled by the first event, and the events from the fill of the next copy
/// on.
fn one_life<'a>(
    events: &'a [KeyEvent],
    ttl_ms: i64,
    drop: bool,
    writes: &impl Fn(i64, i64) -> f64,
) -> (f64, &'a [KeyEvent]) {
    let filled_ms = events.first().map_or(0, |fill| fill.at_ms);
    let mut stale = 0.0;
    for (nth, event) in events.iter().enumerate().skip(1) {
        match event.access {
            Access::Get if event.at_ms.saturating_sub(filled_ms) < ttl_ms => {
                stale -= (-writes(filled_ms, event.at_ms)).exp_m1();
            }
            Access::Get => return (stale, &events[nth..]),
            Access::Write if !drop => {}
            Access::Write | Access::Delete => return (stale, next_read(&events[nth..])),
        }
    }
    (stale, &[])
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn span_ms(from_ms: i64, until_ms: i64) -> f64 {
    until_ms.saturating_sub(from_ms) as f64
}

#[cfg(test)]
mod tests {
    use super::super::{OnWrite, expected_stale_hits, replay};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_are_right_before_the_epoch_too() {
        for (at_ms, hour) in [(0, 0), (3_599_999, 0), (3_600_000, 1), (86_399_999, 23), (86_400_000, 0), (-1, 23)] {
            assert_eq!(hour_of_day(at_ms), hour, "{at_ms}");
        }
        // 2026-01-01T15:30:00Z
        assert_eq!(hour_of_day(1_767_281_400_000), 15);
        assert!(hour_of_day(i64::MIN) < HOURS && hour_of_day(i64::MAX) < HOURS);
    }

    #[test]
    fn a_copy_keeps_the_ttl_of_its_fill() {
        let day = HourlyTtl::from_fn(|hour| if hour == 0 { 3 * HOUR_MS } else { 1 });
        let at = |at_ms, access| KeyEvent { at_ms, access };
        // Filled at 00:30: hits at 01:00 and 02:00, expired at 03:30; then filled twice for one millisecond each.
        let half = HOUR_MS / 2;
        let events = [half, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS + half, 3 * HOUR_MS + half + 1]
            .map(|at_ms| at(at_ms, Access::Get));
        let window = Window { start_ms: 0, end_ms: DAY_MS };
        let tally = replay(&events, &day, OnWrite::Keep, window);
        assert_eq!((tally.hits, tally.lives.lives, tally.resident_ms), (2.0, 3.0, 3.0 * 3_600_000.0 + 2.0));
        // The last two copies are never read.
        let (hits, stale) = expected_stale_hits(&events, &day, |_, _| 0.0, window);
        assert_eq!((tally.unread_ms, hits, stale), (2.0, 2.0, 0.0));
    }

    #[test]
    fn a_course_is_found_where_there_is_one() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(8);
        let window = Window { start_ms: DAY_MS / 3, end_ms: DAY_MS / 3 + 3 * DAY_MS };
        let mut stamps = |share_by_day: f64, n: usize| -> Vec<i64> {
            let mut stamps = Vec::new();
            while stamps.len() < n {
                let at_ms = rng.random_range(window.start_ms..window.end_ms);
                let day = (8..20).contains(&hour_of_day(at_ms));
                if rng.random::<f64>() < if day { share_by_day } else { 1.0 - share_by_day } {
                    stamps.push(at_ms);
                }
            }
            stamps
        };
        let course = DayCourse::fit(stamps(0.9, 2_000), window);
        for (hour, weight) in course.weights().iter().enumerate() {
            let truth = if (8..20).contains(&hour) { 1.8 } else { 0.2 };
            // Counts of 150 and 17: three standard errors are 0.45 and 0.15.
            assert!((weight - truth).abs() < 0.45, "{hour}: {weight}");
        }
        assert!((course.between(-DAY_MS, 2 * DAY_MS) / 86_400_000.0 - 3.0).abs() < 1e-9);
        // Without a course, or with little data, the result is nearly or exactly flat.
        let flat = DayCourse::fit(stamps(0.5, 2_000), window);
        assert!(flat.weights().iter().all(|weight| (weight - 1.0).abs() < 0.15), "{flat:?}");
        let short = Window { end_ms: window.start_ms + DAY_MS / 2, ..window };
        assert_eq!(DayCourse::fit(stamps(0.9, 500), short), DayCourse::flat());
        assert_eq!(DayCourse::fit([], window), DayCourse::flat());
    }

    #[test]
    fn lives_in_every_hour_match_the_formula() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (reads_per_ms, writes_per_ms, days) = (1e-5, 1e-8, 10.0);
        let window = Window { start_ms: 0, end_ms: 10 * DAY_MS };
        for ttl_ms in [60_000, 1_800_000, 5 * HOUR_MS] {
            let mut hours = LivesByHour::default();
            for _ in 0..40 {
                let (mut at, mut events) = (0.0, Vec::new());
                while at < 8.64e8 {
                    at -= (1.0 - rng.random::<f64>()).ln() / reads_per_ms;
                    #[expect(clippy::cast_possible_truncation, reason = "ten days")]
                    events.push(KeyEvent { at_ms: at as i64, access: Access::Get });
                }
                hours.observe(&events, ttl_ms, false, |from, until| writes_per_ms * span_ms(from, until), window);
            }
            let (reads, ttl) = (reads_per_ms * 3.6e6 * days * 40.0, span_ms(0, ttl_ms));
            // Each hour starts with a mean wait of 1/λ for the first read, in which nothing is counted.
            let lives = (1.0 - 1.0 / (reads_per_ms * 3.6e6)) * reads / (1.0 + reads_per_ms * ttl);
            let stale = lives * reads_per_ms * ttl * writes_per_ms * ttl / 2.0;
            // Late on the last day the longest lives exceed the window.
            for hour in 0..18 {
                let (found, found_stale) = (hours.lives[hour], hours.stale_hits[hour]);
                assert!((found / lives - 1.0).abs() < 0.06, "{ttl_ms} {hour}: {found} {lives}");
                assert!((found_stale / stale - 1.0).abs() < 0.15, "{ttl_ms} {hour}: {found_stale} {stale}");
            }
        }
    }

    proptest! {
        /// The same time-to-live in all hours equals the fixed one; there are no more lives than reads.
        #[test]
        fn the_same_for_every_hour_is_a_fixed_one(
            rows in prop::collection::vec((0_i64..9_000_000, prop_oneof![4 => Just(Access::Get), 2 => Just(Access::Write), 1 => Just(Access::Delete)]), 0..60),
            ttl_ms in 1_i64..20_000_000, drop in any::<bool>(),
        ) {
            let mut at_ms = -5_000_000;
            let events: Vec<KeyEvent> = rows.into_iter().map(|(gap, access)| { at_ms += gap; KeyEvent { at_ms, access } }).collect();
            let on_write = if drop { OnWrite::Drop } else { OnWrite::Keep };
            let window = Window { start_ms: 0, end_ms: at_ms };
            let fixed = replay(&events, ttl_ms, on_write, window);
            prop_assert_eq!(replay(&events, &HourlyTtl::from_fn(|_| ttl_ms), on_write, window), fixed);
            let mut hours = LivesByHour::default();
            hours.observe(&events, ttl_ms, drop, |from, until| 1e-7 * span_ms(from, until), window);
            prop_assert!((0..HOURS).all(|hour| hours.lives[hour] >= 0.0 && hours.stale_hits[hour] >= 0.0));
            prop_assert!(hours.lives.iter().sum::<f64>() <= fixed.gets);
            prop_assert_eq!(fixed.gets > 0.0, hours.lives.iter().sum::<f64>() > 0.0);
            prop_assert!(fixed.unread_ms <= fixed.resident_ms);
        }
    }
}
