//! What one time of the day knows of the departures there: on which days, and how high.

/// Days of the last week on which a departure makes the next one ordinary.
const LEARNED_DAYS: u32 = 3;
/// Days of the last week on which a departure makes its absence an anomaly.
const CERTAIN_DAYS: u32 = 6;
/// Of the last fourteen days, those that a departure of the same weekday needs beside it: a job of workdays that missed
/// one or two.
const WORKDAYS: u32 = 8;
/// Weight of the newest height in the range that heights were in.
const SHRINK: f32 = 0.1;

/// Days as bits: bit 0 is the day before, bit 6 the same weekday a week before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Days(u32);

impl Days {
    const WEEK: u32 = 0x7f;
    const FORTNIGHT: u32 = 0x3fff;
    const SAME_WEEKDAY: u32 = 1 << 6 | 1 << 13;

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn of_last_week(self) -> u32 {
        (self.0 & Self::WEEK).count_ones()
    }

    fn on_this_weekday(self) -> bool {
        self.0 & Self::SAME_WEEKDAY == Self::SAME_WEEKDAY
    }

    /// Whether a departure is ordinary today: on three of the last seven days, or on this weekday twice.
    pub(super) fn are_learned(self) -> bool {
        self.of_last_week() >= LEARNED_DAYS || self.on_this_weekday()
    }

    /// Whether a departure has to come today: on six of the last seven days, or on this weekday twice with most of the
    /// workdays, or three times.
    pub(super) fn are_certain(self) -> bool {
        self.of_last_week() >= CERTAIN_DAYS
            || (self.on_this_weekday()
                && ((self.0 & Self::FORTNIGHT).count_ones() >= WORKDAYS || self.0 & (1 << 20) != 0))
    }
}

/// A time of the day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Phase {
    /// Bit 0 is the day `last`, bit k the day k before it.
    days: u32,
    last: u32,
    low: f32,
    high: f32,
}

impl Phase {
    /// The days before `day` that had a departure here.
    pub(super) fn days_before(&self, day: u32) -> Days {
        let age = day.saturating_sub(self.last);
        // The last day itself is bit `age - 1`; what is of today does not count.
        match age {
            0 => Days(self.days >> 1),
            1..=31 => Days(self.days << (age - 1)),
            _ => Days(0),
        }
    }

    /// Least and largest height, by sign: both are above 0 or both below.
    pub(super) fn range(&self) -> [f64; 2] {
        [f64::from(self.low), f64::from(self.high)]
    }

    /// Learns a departure of the day `day`.
    pub(super) fn push(&mut self, day: u32, height: f32) {
        let before = self.days_before(day);
        let turns = !before.is_empty() && (self.low > 0.0) != (height > 0.0);
        if turns && before.are_learned() {
            // An absence that was called, or the swing after a departure: it does not replace what is known.
            return;
        }
        if before.is_empty() || turns {
            *self = Self { low: height, high: height, ..Self::default() };
        }
        self.low = (self.low + SHRINK * (height - self.low)).min(height);
        self.high = (self.high + SHRINK * (height - self.high)).max(height);
        let age = day.saturating_sub(self.last);
        self.days = if age < u32::BITS { self.days << age | 1 } else { 1 };
        self.last = day;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(days: impl Iterator<Item = u32>, today: u32) -> Days {
        let mut phase = Phase::default();
        days.for_each(|day| phase.push(day, 10.0));
        phase.days_before(today)
    }

    #[test]
    fn three_days_teach_and_a_week_makes_certain() {
        assert!(!after(0..2, 2).are_learned());
        assert!(after(0..3, 3).are_learned() && !after(0..3, 3).are_certain());
        assert!(!after(0..5, 5).are_certain());
        assert!(after(0..7, 7).are_certain());
        assert!(after(0..7, 8).are_certain(), "one day without it does not end the habit");
        assert!(!after(0..7, 40).are_learned());
        assert!(after(std::iter::empty(), 9).is_empty());
    }

    #[test]
    fn workdays_and_weekly_jobs_follow_the_weekday() {
        let workdays = |until: u32| (0..until).filter(|day| day % 7 < 5);
        assert!(!after(workdays(19), 19).are_certain(), "a Saturday");
        assert!(after(workdays(21), 21).are_certain(), "a Monday");
        assert!(after(workdays(7), 7).are_learned());
        let weekly = |until: u32| (0..until).filter(|day| day % 7 == 6);
        assert!(after(weekly(20), 20).are_learned() && !after(weekly(20), 20).are_certain());
        assert!(after(weekly(27), 27).are_certain() && !after(weekly(27), 28).are_learned());
    }

    #[test]
    fn heights_keep_their_range() {
        let mut phase = Phase::default();
        [60.0, 55.0, 70.0].into_iter().enumerate().for_each(|(day, h)| phase.push(u32::try_from(day).unwrap(), h));
        let [low, high] = phase.range();
        assert!((55.0..60.0).contains(&low) && (high - 70.0).abs() < 1e-6, "{low} {high}");
        phase.push(3, -5.0);
        assert!(phase.range()[0] > 0.0, "what is learned is not replaced");
        phase.push(40, -5.0);
        assert!(phase.range().iter().all(|height| (height + 5.0).abs() < 1e-6));
    }
}
