//! Distance between the points of a series: a fixed duration, or days and months of the calendar. Used for series from
//! files, to resample them and to compute the timestamps of a forecast.

use std::ops::Range;

use almanac_models::Step;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime};

use super::Calendar;

const DAY_MS: i64 = 86_400_000;
/// Mean length of a month: a twelfth of a year of 365.25 days.
const MONTH_MS: i64 = 2_629_800_000;
/// Minimum distance of rows that may be monthly, in days.
const SHORTEST_MONTH: i64 = 27;
/// Tolerance of the day of the month, in days: the last working day of a month may be three days before its end.
const JITTER_DAYS: u32 = 3;
/// Maximum number of slots of a resampled series; the newest are kept.
const MAX_SLOTS: usize = 4_000_000;

/// Distance between the points of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// A fixed duration.
    Fixed(Step),
    /// Number of days of local time. A day has 23 or 25 hours when daylight saving time changes.
    Days(u32),
    /// Number of months: 3 is a quarter, 12 a year.
    Months(u32),
}

/// Day of the month of all timestamps of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    /// This day, or the last day of a shorter month.
    Day(u32),
    /// The last day of the month.
    Last,
}

impl Spacing {
    /// Infers the spacing of ascending timestamps whose usual distance is `step`: months if all timestamps are in
    /// different months, on the same day or at the end; else days of local time if the calendar has a zone and the step
    /// is whole days.
    #[must_use]
    pub fn of(timestamps: &[i64], step: Step, calendar: &Calendar) -> Self {
        months_apart(timestamps, step, calendar).map_or_else(|| Self::Fixed(step).by(calendar), Self::Months)
    }

    /// Converts a fixed step of whole days into days of local time, if the calendar has a zone.
    #[must_use]
    pub fn by(self, calendar: &Calendar) -> Self {
        match (self, calendar.zone) {
            (Self::Fixed(step), Some(_)) if step.millis() % DAY_MS == 0 => {
                u32::try_from(step.millis() / DAY_MS).map_or(self, Self::Days)
            }
            _ => self,
        }
    }

    /// Returns the mean step.
    #[must_use]
    pub fn step(self) -> Option<Step> {
        match self {
            Self::Fixed(step) => Some(step),
            Self::Days(n) => Step::from_millis(i64::from(n) * DAY_MS).ok(),
            Self::Months(n) => Step::from_millis(i64::from(n) * MONTH_MS).ok(),
        }
    }

    /// Resamples values onto steps of the calendar up to the last timestamp: the mean of the values of each step, NaN
    /// where there is none. `None` for a fixed step. `timestamps` must be ascending.
    #[must_use]
    pub fn regular(self, timestamps: &[i64], values: &[f64], calendar: &Calendar) -> Option<Vec<f64>> {
        let last = local_time(*timestamps.last()?, calendar)?;
        let step_index = |at: &i64| self.step_index(local_time(*at, calendar)?, last);
        let indices: Vec<i64> = timestamps.iter().map(step_index).collect::<Option<_>>()?;
        let (first, last) = (*indices.iter().min()?, *indices.iter().max()?);
        let slots = usize::try_from(last - first).ok()?.saturating_add(1).min(MAX_SLOTS);
        let (mut sum, mut count) = (vec![0.0; slots], vec![0u32; slots]);
        for (idx, value) in indices.iter().zip(values).filter(|(_, v)| v.is_finite()) {
            let slot = usize::try_from(last - idx).ok().and_then(|back| slots.checked_sub(back + 1));
            if let Some(slot) = slot {
                sum[slot] += value;
                count[slot] += 1;
            }
        }
        Some(sum.iter().zip(&count).map(|(s, &n)| if n > 0 { s / f64::from(n) } else { f64::NAN }).collect())
    }

    /// Returns the next `steps` timestamps after these, which must be ascending and not empty; `None` for a fixed step.
    #[must_use]
    pub fn after(self, timestamps: &[i64], steps: usize, calendar: &Calendar) -> Option<Vec<i64>> {
        let last = local_time(*timestamps.last()?, calendar)?;
        let next = |k: usize| -> Option<i64> {
            let steps = u32::try_from(k).ok()?.checked_add(1)?;
            let at = match self {
                Self::Fixed(_) => return None,
                Self::Days(n) => last.checked_add_days(Days::new(u64::from(n) * u64::from(steps)))?,
                Self::Months(n) => {
                    let (day, time) =
                        day_of_month(timestamps, calendar).unwrap_or((DayOfMonth::Day(1), NaiveTime::MIN));
                    // Months are added to the first day, because not every month has the day of the last timestamp.
                    let begin = last.date().with_day(1)?.checked_add_months(Months::new(n.checked_mul(steps)?))?;
                    day.date(begin)?.and_time(time)
                }
            };
            Some(timestamp_of(at, calendar))
        };
        (0..steps).map(next).collect()
    }

    /// Returns the steps from the first timestamp on that are a holiday, past or future. Only steps of one day can be
    /// one. `None` for a fixed step.
    #[must_use]
    pub fn holidays(self, first: i64, calendar: &Calendar) -> Option<Vec<Range<usize>>> {
        let from = match self {
            Self::Fixed(_) => return None,
            Self::Days(1) => i64::from(local_time(first, calendar)?.date().num_days_from_ce()),
            Self::Days(_) | Self::Months(_) => return Some(Vec::new()),
        };
        let step = |day: &NaiveDate| usize::try_from(i64::from(day.num_days_from_ce()) - from).ok();
        Some(calendar.holidays.iter().filter_map(step).map(|step| step..step + 1).collect())
    }

    /// Returns the number of steps from `last` to `at`, both in local time; negative before `last`.
    fn step_index(self, at: NaiveDateTime, last: NaiveDateTime) -> Option<i64> {
        match self {
            Self::Fixed(_) => None,
            Self::Days(n) => {
                // The nearest step, because timestamps one fixed day apart have another local hour after a clock
                // change.
                let length = i64::from(n) * DAY_MS;
                let back = (last - at).num_milliseconds().saturating_add(length / 2).div_euclid(length);
                Some(-back)
            }
            Self::Months(n) => Some((month_of(at) - month_of(last)).div_euclid(i64::from(n))),
        }
    }
}

impl DayOfMonth {
    /// Returns the day in the month that starts on `begin`.
    fn date(self, begin: NaiveDate) -> Option<NaiveDate> {
        let length = days_in(begin)?;
        begin.with_day(match self {
            Self::Day(day) => day.min(length),
            Self::Last => length,
        })
    }
}

/// Returns the number of months between rows; `None` if they are not monthly.
fn months_apart(timestamps: &[i64], step: Step, calendar: &Calendar) -> Option<u32> {
    if step.millis() < SHORTEST_MONTH * DAY_MS || timestamps.len() < 3 {
        return None;
    }
    day_of_month(timestamps, calendar)?;
    let months: Vec<i64> =
        timestamps.iter().map(|at| local_time(*at, calendar).map(month_of)).collect::<Option<_>>()?;
    let mut gaps: Vec<i64> = months.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    let usual = *gaps.get(gaps.len() / 2)?;
    // A missing row leaves a gap of a multiple.
    gaps.iter().all(|gap| gap % usual == 0).then(|| u32::try_from(usual).ok())?
}

/// Returns the day of the month that all timestamps share, and the time of day of the last one.
fn day_of_month(timestamps: &[i64], calendar: &Calendar) -> Option<(DayOfMonth, NaiveTime)> {
    let all: Vec<NaiveDateTime> = timestamps.iter().map(|at| local_time(*at, calendar)).collect::<Option<_>>()?;
    let time = all.last()?.time();
    let lengths: Vec<u32> = all.iter().map(|at| days_in(at.date())).collect::<Option<_>>()?;
    let days = || all.iter().map(|at| at.day()).zip(&lengths);
    let largest = days().map(|(day, _)| day).max()?;
    if days().all(|(day, length)| day == *length) {
        return Some((DayOfMonth::Last, time));
    }
    if days().all(|(day, length)| day == largest.min(*length)) {
        return Some((DayOfMonth::Day(largest), time));
    }
    // The first or last working days of months.
    if days().all(|(day, length)| day + JITTER_DAYS >= *length) {
        return Some((DayOfMonth::Last, time));
    }
    days().all(|(day, _)| day <= 1 + JITTER_DAYS).then_some((DayOfMonth::Day(1), time))
}

/// Returns the number of months since year 0.
fn month_of(at: NaiveDateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// Returns the length of the month of `day`, in days.
fn days_in(day: NaiveDate) -> Option<u32> {
    Some(day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()?.day())
}

/// Returns the local time at a timestamp; UTC if the calendar has no zone.
fn local_time(at: i64, calendar: &Calendar) -> Option<NaiveDateTime> {
    match calendar.zone {
        Some(zone) => zone.local_time(at),
        None => Some(DateTime::from_timestamp_millis(at)?.naive_utc()),
    }
}

/// Returns the timestamp of a local time.
fn timestamp_of(at: NaiveDateTime, calendar: &Calendar) -> i64 {
    calendar.zone.map_or_else(|| at.and_utc().timestamp_millis(), |zone| zone.timestamp_of(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn step(days: i64) -> Step {
        Step::from_millis(days * DAY_MS).unwrap()
    }

    /// Checks the spacing of the timestamps, and the next three.
    fn check(timestamps: &[&str], days: i64, zone: Option<&str>, expected: Spacing, next: [&str; 3]) {
        let calendar = Calendar { zone: zone.map(|name| name.parse().unwrap()), holidays: Vec::new() };
        let timestamps: Vec<i64> = timestamps.iter().map(|text| at(text)).collect();
        let found = Spacing::of(&timestamps, step(days), &calendar);
        assert_eq!(found, expected);
        assert_eq!(found.after(&timestamps, 3, &calendar).unwrap(), next.map(at));
    }

    #[test]
    fn months_quarters_and_years_keep_their_day() {
        let m = Spacing::Months;
        check(
            &["2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"],
            31,
            None,
            m(1),
            ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"],
        );
        check(
            &["2023-11-30T00:00:00Z", "2023-12-31T00:00:00Z", "2024-01-31T00:00:00Z"],
            31,
            None,
            m(1),
            ["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z", "2024-04-30T00:00:00Z"],
        );
        // The 30th, and a month without it.
        check(
            &["2025-10-30T12:00:00Z", "2025-11-30T12:00:00Z", "2025-12-30T12:00:00Z"],
            30,
            None,
            m(1),
            ["2026-01-30T12:00:00Z", "2026-02-28T12:00:00Z", "2026-03-30T12:00:00Z"],
        );
        // Quarters with a missing row, ends of years, last working days.
        check(
            &["2024-03-31T00:00:00Z", "2024-06-30T00:00:00Z", "2024-12-31T00:00:00Z", "2025-03-31T00:00:00Z"],
            91,
            None,
            m(3),
            ["2025-06-30T00:00:00Z", "2025-09-30T00:00:00Z", "2025-12-31T00:00:00Z"],
        );
        check(
            &["2021-12-31T00:00:00Z", "2022-12-31T00:00:00Z", "2023-12-31T00:00:00Z", "2024-12-31T00:00:00Z"],
            365,
            None,
            m(12),
            ["2025-12-31T00:00:00Z", "2026-12-31T00:00:00Z", "2027-12-31T00:00:00Z"],
        );
        check(
            &["2025-08-29T00:00:00Z", "2025-09-30T00:00:00Z", "2025-10-31T00:00:00Z", "2025-11-28T00:00:00Z"],
            31,
            None,
            m(1),
            ["2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"],
        );
        // A month in Berlin starts at 23:00 UTC in winter and at 22:00 UTC in summer.
        check(
            &["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"],
            31,
            Some("Europe/Berlin"),
            m(1),
            ["2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z"],
        );
    }

    #[test]
    fn days_keep_their_hour_and_thirty_days_are_not_a_month() {
        check(
            &["2026-03-26T23:00:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z"],
            1,
            Some("Europe/Berlin"),
            Spacing::Days(1),
            ["2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", "2026-03-31T22:00:00Z"],
        );
        let thirty: Vec<i64> = (0..20).map(|k| at("2026-01-01T00:00:00Z") + k * 30 * DAY_MS).collect();
        assert_eq!(Spacing::of(&thirty, step(30), &Calendar::default()), Spacing::Fixed(step(30)));
        let hours = Spacing::Fixed(Step::from_millis(3_600_000).unwrap());
        let berlin = Calendar { zone: "Europe/Berlin".parse().ok(), holidays: Vec::new() };
        assert_eq!(hours.by(&berlin), hours);
    }

    #[test]
    fn missing_months_are_gaps_and_rows_of_one_month_are_averaged() {
        let timestamps = ["2025-12-01T00:00:00Z", "2025-12-15T00:00:00Z", "2026-03-01T00:00:00Z"].map(at);
        let y = Spacing::Months(1).regular(&timestamps, &[1.0, 3.0, 9.0], &Calendar::default()).unwrap();
        assert_eq!((y.len(), y[0].to_bits(), y[3].to_bits()), (4, 2.0f64.to_bits(), 9.0f64.to_bits()));
        assert!(y[1].is_nan() && y[2].is_nan());
    }

    #[test]
    fn a_holiday_is_the_day_of_the_zone() {
        let calendar = Calendar {
            zone: "Europe/Berlin".parse().ok(),
            holidays: vec!["2026-10-26".parse().unwrap(), "2020-01-01".parse().unwrap()],
        };
        let found = Spacing::Days(1).holidays(at("2026-10-22T22:00:00Z"), &calendar);
        assert_eq!(found.as_deref().map(|spans| (spans.len(), spans[0].clone())), Some((1, 3..4)));
    }
}
