//! Means of a series by hour of the day and of the week, the usual rate of [`CountDeficit`](super::CountDeficit).

/// Hours of a day and days of a week.
const HOURS: usize = 24;
const DAYS: usize = 7;
/// Weight of a day relative to the next one in the mean of an hour, and of a week relative to the next one.
const KEEP_DAY: f64 = 0.8;
const KEEP_WEEK: f64 = 0.5;

/// Share of the largest hourly mean up to which an hour is idle, and share of idle hours from which on a series is
/// often idle.
const IDLE_BELOW: f64 = 0.01;
const IDLE_HOURS: f64 = 0.25;

/// Decayed sum and count of the values of one hour.
#[derive(Debug, Clone, Copy, Default)]
struct HourSums {
    sum: f64,
    count: f64,
}

impl HourSums {
    fn learn(&mut self, new: Self, keep: f64) {
        if new.count > 0.0 {
            self.sum = keep * self.sum + new.sum;
            self.count = keep * self.count + new.count;
        }
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// Means of the hours of a day and of a week, counted from the first value on, in no time zone.
#[derive(Debug, Clone)]
pub(super) struct HourlyRate {
    /// Steps of a day.
    day: f64,
    of_day: [HourSums; HOURS],
    of_week: Box<[HourSums; HOURS * DAYS]>,
    /// Index of the current hour since the first value, and its values so far.
    now: usize,
    current: HourSums,
    /// Results for the current hour: see [`Self::mean`] and [`Self::least`].
    mean: Option<f64>,
    least: Option<f64>,
    often_idle: bool,
}

impl HourlyRate {
    /// `day`: steps of a day, more than one.
    pub(super) fn new(day: f64) -> Self {
        let of_week = Box::new([HourSums::default(); HOURS * DAYS]);
        let of_day = [HourSums::default(); HOURS];
        let current = HourSums::default();
        Self { day, of_day, of_week, now: 0, current, mean: None, least: None, often_idle: false }
    }

    /// Moves to step `t`; at another hour, the hour that ended is learned.
    pub(super) fn go_to(&mut self, t: usize) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a step by an hour is at least 0")]
        let hour = (t as f64 * HOURS as f64 / self.day) as usize;
        if hour == self.now {
            return;
        }
        let ended = std::mem::take(&mut self.current);
        self.of_day[self.now % HOURS].learn(ended, KEEP_DAY);
        self.of_week[self.now % (HOURS * DAYS)].learn(ended, KEEP_WEEK);
        self.now = hour;
        self.mean = self.of_day[hour % HOURS].mean();
        let means: Vec<f64> = self.of_day.iter().filter_map(|hour| hour.mean()).collect();
        let largest = means.iter().copied().fold(0.0, f64::max);
        let idle = means.iter().filter(|mean| **mean <= IDLE_BELOW * largest).count();
        self.often_idle = idle as f64 >= IDLE_HOURS * means.len() as f64;
        // Load may start an hour late, and a quiet weekday is learned after one week: values below the smallest mean of
        // the neighbouring hours of day and week are unlikely.
        let least = |hours: &[HourSums], around: &[usize]| {
            around.iter().filter_map(|h| hours[h % hours.len()].mean()).reduce(f64::min)
        };
        // The previous hour of the week is left out: it was learned just now, and in the first week an outage would
        // lower its own rate.
        let of_day = least(&self.of_day, &[hour + HOURS - 1, hour, hour + 1]);
        self.least = match (of_day, least(self.of_week.as_slice(), &[hour, hour + 1])) {
            (Some(day), Some(week)) => Some(day.min(week)),
            (day, _) => day,
        };
    }

    /// Learns a value of the current hour.
    pub(super) fn learn(&mut self, value: f64) {
        self.current.sum += value;
        self.current.count += 1.0;
    }

    /// Whether the series is near 0 for a quarter of the day, so that 0 is not an outage.
    pub(super) fn is_often_idle(&self) -> bool {
        self.often_idle
    }

    /// Returns the mean of this hour of the day; `None` during the first day.
    pub(super) fn mean(&self) -> Option<f64> {
        self.mean
    }

    /// Returns the smallest mean of this hour and its neighbours, over all days and over this weekday.
    pub(super) fn least(&self) -> Option<f64> {
        self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_night_and_a_quiet_weekend_are_learned_at_their_second_occurrence() {
        let mut rate = HourlyRate::new(48.0);
        let value = |t: usize| {
            let (hour, day) = (t / 2 % 24, t / 48 % 7);
            if day < 5 && (8..18).contains(&hour) { 10.0 } else { 0.0 }
        };
        let mut least = Vec::new();
        for t in 0..48 * 14 {
            rate.go_to(t);
            least.push(rate.least());
            rate.learn(value(t));
        }
        assert!(least[..2].iter().all(Option::is_none));
        let at = |day: usize, hour: usize| least[48 * day + 2 * hour];
        assert!(at(2, 12).is_some_and(|least| (least - 10.0).abs() < 1e-9));
        assert_eq!((at(2, 8), at(2, 18), at(2, 3)), (Some(0.0), Some(0.0), Some(0.0)));
        assert!(at(5, 12).is_some_and(|least| least > 5.0), "the first Saturday is not learned");
        assert_eq!(at(12, 12), Some(0.0), "the second is");
    }
}
