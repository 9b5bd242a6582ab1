//! Departures at one time of the day: their days and the range of their heights.

/// Number of days of the last week with a departure from which on the next one is ordinary.
const LEARNED_DAYS: u32 = 3;
/// Number of days of the last week with a departure from which on its absence is an anomaly.
const CERTAIN_DAYS: u32 = 6;
/// Number of the last fourteen days with a departure that makes one on the same weekday certain: a job of workdays that
/// missed one or two.
const WORKDAYS: u32 = 8;
/// Weight of the newest height in the range of heights.
const SHRINK: f32 = 0.1;

/// A set of past days as bits: bit 0 is yesterday, bit 6 the same weekday of last week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PastDays(u32);

impl PastDays {
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

    /// Whether a departure is certain today: on six of the last seven days, or on this weekday twice with most of the
    /// workdays, or three times.
    pub(super) fn are_certain(self) -> bool {
        self.of_last_week() >= CERTAIN_DAYS
            || (self.on_this_weekday()
                && ((self.0 & Self::FORTNIGHT).count_ones() >= WORKDAYS || self.0 & (1 << 20) != 0))
    }
}

/// Departures at one step of the day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PhaseDepartures {
    /// Bit 0 is the day `last`, bit k the day k before it.
    days: u32,
    last: u32,
    low: f32,
    high: f32,
}

impl PhaseDepartures {
    /// Returns the days before `day` with a departure.
    pub(super) fn days_before(&self, day: u32) -> PastDays {
        let age = day.saturating_sub(self.last);
        // The last day itself is bit `age - 1`; a departure of today is left out.
        match age {
            0 => PastDays(self.days >> 1),
            1..=31 => PastDays(self.days << (age - 1)),
            _ => PastDays(0),
        }
    }

    /// Returns smallest and largest height; both are above 0 or both below.
    pub(super) fn range(&self) -> [f64; 2] {
        [f64::from(self.low), f64::from(self.high)]
    }

    /// Learns the height of a departure on the day `day`.
    pub(super) fn push(&mut self, day: u32, height: f32) {
        let before = self.days_before(day);
        let changes_sign = !before.is_empty() && (self.low > 0.0) != (height > 0.0);
        if changes_sign && before.are_learned() {
            // A called absence, or the swing after a departure, does not replace learned heights.
            return;
        }
        if before.is_empty() || changes_sign {
            *self = Self { low: height, high: height, ..Self::default() };
        }
        // Both ends move towards the newest height, which stays inside.
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

    fn after(days: impl Iterator<Item = u32>, today: u32) -> PastDays {
        let mut phase = PhaseDepartures::default();
        days.for_each(|day| phase.push(day, 10.0));
        phase.days_before(today)
    }

    #[test]
    fn three_days_are_learned_and_a_week_is_certain() {
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
        let mut phase = PhaseDepartures::default();
        [60.0, 55.0, 70.0].into_iter().enumerate().for_each(|(day, h)| phase.push(u32::try_from(day).unwrap(), h));
        let [low, high] = phase.range();
        assert!((55.0..60.0).contains(&low) && (high - 70.0).abs() < 1e-6, "{low} {high}");
        phase.push(3, -5.0);
        assert!(phase.range()[0] > 0.0, "learned heights are not replaced");
        phase.push(40, -5.0);
        assert!(phase.range().iter().all(|height| (height + 5.0).abs() < 1e-6));
    }
}
