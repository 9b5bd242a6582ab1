//! The mean of a series by hour of the day and of the week.

/// Hours that a day is divided into, and days of a week.
const HOURS: usize = 24;
const DAYS: usize = 7;
/// Weight of a day relative to the one after it in the mean of an hour, and of a week.
const KEEP_DAY: f64 = 0.8;
const KEEP_WEEK: f64 = 0.5;

/// An hour is one of rest when its mean is at most this share of the largest, and a series rests by habit when this share
/// of its hours are.
const RESTS_BELOW: f64 = 0.01;
const RESTING_HOURS: f64 = 0.25;

/// Decayed sums and counts of one hour.
#[derive(Debug, Clone, Copy, Default)]
struct Hour {
    sum: f64,
    count: f64,
}

impl Hour {
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

/// Means of the hours of a day and of a week, which count from the first value on.
#[derive(Debug, Clone)]
pub(super) struct HourlyRate {
    /// Steps of a day.
    day: f64,
    of_day: [Hour; HOURS],
    of_week: Box<[Hour; HOURS * DAYS]>,
    /// The hour that has not ended yet, counted from the first value on.
    now: usize,
    current: Hour,
    /// The mean of this hour of the day, and the least that the hour may have.
    mean: Option<f64>,
    least: Option<f64>,
    rests: bool,
}

impl HourlyRate {
    /// `day`: steps of a day, more than one.
    pub(super) fn new(day: f64) -> Self {
        let of_week = Box::new([Hour::default(); HOURS * DAYS]);
        let of_day = [Hour::default(); HOURS];
        Self { day, of_day, of_week, now: 0, current: Hour::default(), mean: None, least: None, rests: false }
    }

    /// Goes to step `t`, at its hour.
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
        let at_rest = means.iter().filter(|mean| **mean <= RESTS_BELOW * largest).count();
        self.rests = at_rest as f64 >= RESTING_HOURS * means.len() as f64;
        // An office opens within an hour, and a quiet weekday is known after one week: the least of the hours around, of
        // the day and of the week, is not missed by chance.
        let least = |hours: &[Hour], around: &[usize]| {
            around.iter().filter_map(|h| hours[h % hours.len()].mean()).reduce(f64::min)
        };
        // The week's hour before this one has just been learned: in the first week an outage would excuse itself.
        let of_day = least(&self.of_day, &[hour + HOURS - 1, hour, hour + 1]);
        self.least = match (of_day, least(self.of_week.as_slice(), &[hour, hour + 1])) {
            (Some(day), Some(week)) => Some(day.min(week)),
            (day, _) => day,
        };
    }

    /// Learns a value of this hour.
    pub(super) fn learn(&mut self, value: f64) {
        self.current.sum += value;
        self.current.count += 1.0;
    }

    /// Whether the series is at 0 for hours of each day, where 0 is how it rests and no outage.
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    /// The mean of this hour of the day; `None` before a day was seen.
    pub(super) fn mean(&self) -> Option<f64> {
        self.mean
    }

    /// The least mean of this hour, the one before and the one after, of any day and of this weekday.
    pub(super) fn least(&self) -> Option<f64> {
        self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_night_and_a_quiet_weekend_are_known_the_second_time() {
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
        assert!(at(5, 12).is_some_and(|least| least > 5.0), "the first Saturday is not known");
        assert_eq!(at(12, 12), Some(0.0), "the second is");
    }
}
