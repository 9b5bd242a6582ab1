//! Converts between durations of the recording and durations in real time.

use std::time::Duration;

/// Ratio of real time to the recording's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeScale {
    /// Length of a day of the recording, in milliseconds.
    pub(super) day_ms: i64,
}

const REAL_DAY_MS: f64 = 86_400_000.0;

impl TimeScale {
    /// Returns the scale of a recording whose day lasts `day_seconds`.
    #[expect(clippy::cast_possible_truncation, reason = "a day at most")]
    pub(crate) fn of_day(day_seconds: f64) -> Self {
        Self { day_ms: (day_seconds * 1000.0).round().max(1.0) as i64 }
    }

    /// Returns how many times faster than real time the recording is: 144 for a day of ten minutes.
    #[expect(clippy::cast_precision_loss, reason = "a day has few milliseconds")]
    pub(super) fn speed(self) -> f64 {
        REAL_DAY_MS / self.day_ms as f64
    }

    /// Converts real time into the recording's time, both in milliseconds; at least 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some days at most")]
    pub(super) fn scaled_ms(self, real_ms: i64) -> i64 {
        ((real_ms as f64 / self.speed()).round() as i64).max(1)
    }

    /// Converts seconds of the recording into real time as text, such as `3m` or `1h 30m`.
    ///
    /// Rounded to seconds below ten minutes, to minutes below ten hours, to hours above.
    pub(super) fn real_time(self, seconds: f64) -> String {
        let real = seconds * self.speed();
        let unit = match real {
            36_000.0.. => 3600.0,
            600.0.. => 60.0,
            _ => 1.0,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rounded length of time")]
        let rounded = ((real / unit).round() * unit).max(0.0) as u64;
        humantime::format_duration(Duration::from_secs(rounded)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_are_a_day() {
        let scale = TimeScale::of_day(600.0);
        assert_eq!(scale.scaled_ms(3_600_000), 25_000);
        assert_eq!(scale.real_time(25.0), "1h");
        assert_eq!(scale.real_time(2.083), "5m");
        assert_eq!(scale.real_time(600.0), "1day");
        assert_eq!(scale.real_time(605.0), "1day");
    }
}
