//! Fields of the UTC calendar.

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::signal::{SignalError, frame::Frame};

/// Fields of a UTC calendar time given as epoch seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calendar {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// A field of the UTC calendar for values that are epoch seconds; NaN where there is no such time.
pub(super) fn calendar(field: Calendar, mut frame: Frame) -> Result<Frame, SignalError> {
    frame.map(|seconds| field_of(field, seconds));
    frame.drop_names()
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and no calendar reaches that far")]
fn field_of(field: Calendar, seconds: f64) -> f64 {
    if seconds.is_nan() {
        return f64::NAN;
    }
    let Some(time) = DateTime::<Utc>::from_timestamp(seconds as i64, 0) else { return f64::NAN };
    match field {
        Calendar::Minute => time.minute().into(),
        Calendar::Hour => time.hour().into(),
        Calendar::DayOfWeek => time.weekday().num_days_from_sunday().into(),
        Calendar::DayOfMonth => time.day().into(),
        Calendar::DayOfYear => time.ordinal().into(),
        Calendar::DaysInMonth => time.num_days_in_month().into(),
        Calendar::Month => time.month().into(),
        Calendar::Year => time.year().into(),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_leap_day() {
        // 2024-02-29T13:07:45Z, a Thursday.
        let check = |field, expected: f64| assert_eq!(field_of(field, 1_709_212_065.9), expected, "{field:?}");
        check(Calendar::Minute, 7.0);
        check(Calendar::Hour, 13.0);
        check(Calendar::DayOfWeek, 4.0);
        check(Calendar::DayOfMonth, 29.0);
        check(Calendar::DayOfYear, 60.0);
        check(Calendar::DaysInMonth, 29.0);
        check(Calendar::Month, 2.0);
        check(Calendar::Year, 2024.0);
        assert!(field_of(Calendar::Year, f64::NAN).is_nan());
        assert!(field_of(Calendar::Year, 1e300).is_nan());
        assert_eq!(field_of(Calendar::Year, -1.0), 1969.0);
    }
}
