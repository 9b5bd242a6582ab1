//! Calendar fields such as `hour` and `day_of_week`, in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::signal::{SignalError, frame::Frame};

/// A field of a UTC date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalendarField {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// Replaces values in epoch seconds by a calendar field; NaN outside the range of the calendar.
pub(super) fn calendar(field: CalendarField, mut frame: Frame) -> Result<Frame, SignalError> {
    frame.map(|seconds| field_of(field, seconds));
    frame.drop_names()
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and no calendar reaches that far")]
fn field_of(field: CalendarField, seconds: f64) -> f64 {
    if seconds.is_nan() {
        return f64::NAN;
    }
    let Some(time) = DateTime::<Utc>::from_timestamp(seconds as i64, 0) else { return f64::NAN };
    match field {
        CalendarField::Minute => time.minute().into(),
        CalendarField::Hour => time.hour().into(),
        CalendarField::DayOfWeek => time.weekday().num_days_from_sunday().into(),
        CalendarField::DayOfMonth => time.day().into(),
        CalendarField::DayOfYear => time.ordinal().into(),
        CalendarField::DaysInMonth => time.num_days_in_month().into(),
        CalendarField::Month => time.month().into(),
        CalendarField::Year => time.year().into(),
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
        check(CalendarField::Minute, 7.0);
        check(CalendarField::Hour, 13.0);
        check(CalendarField::DayOfWeek, 4.0);
        check(CalendarField::DayOfMonth, 29.0);
        check(CalendarField::DayOfYear, 60.0);
        check(CalendarField::DaysInMonth, 29.0);
        check(CalendarField::Month, 2.0);
        check(CalendarField::Year, 2024.0);
        assert!(field_of(CalendarField::Year, f64::NAN).is_nan());
        assert!(field_of(CalendarField::Year, 1e300).is_nan());
        assert_eq!(field_of(CalendarField::Year, -1.0), 1969.0);
    }
}
