//! How far the points of a series lie apart: a fixed time, or days, months, quarters and years of the calendar.

use std::ops::Range;

use almanac_models::Step;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime};

use super::{Calendar, Zone};

const DAY_MS: i64 = 86_400_000;
/// A twelfth of a year of 365.25 days: what a month is on average.
const MONTH_MS: i64 = 2_629_800_000;
/// Days between rows from which they may be months, and by which stamps of one kind may differ, as the last working days
/// of months do.
const SHORTEST_MONTH: i64 = 27;
const JITTER_DAYS: u32 = 3;
/// Slots of a series at most.
const MAX_SLOTS: usize = 4_000_000;

/// How far the points of a series lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// A time that is always the same.
    Fixed(Step),
    /// Days by the clocks of a place, which daylight saving makes an hour longer or shorter.
    Days(u32),
    /// Months: 3 are a quarter, 12 a year.
    Months(u32),
}

/// Where in its month a stamp lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InMonth {
    /// This day, or the last one of a month without it.
    Day(u32),
    Last,
}

impl Spacing {
    /// The spacing of ascending stamps whose usual distance is `step`: months where they lie in different months, always
    /// on the same day or at the end; days of the calendar's zone where it names one.
    #[must_use]
    pub fn of(timestamps: &[i64], step: Step, calendar: &Calendar) -> Self {
        months_apart(timestamps, step, calendar).map_or_else(|| Self::Fixed(step).by(calendar), Self::Months)
    }

    /// A step that was given: whole days are those of the calendar's zone where it names one.
    #[must_use]
    pub fn by(self, calendar: &Calendar) -> Self {
        match (self, calendar.zone) {
            (Self::Fixed(step), Some(_)) if step.millis() % DAY_MS == 0 => {
                u32::try_from(step.millis() / DAY_MS).map_or(self, Self::Days)
            }
            _ => self,
        }
    }

    /// The step that this is on average.
    #[must_use]
    pub fn step(self) -> Option<Step> {
        match self {
            Self::Fixed(step) => Some(step),
            Self::Days(n) => Step::from_millis(i64::from(n) * DAY_MS).ok(),
            Self::Months(n) => Step::from_millis(i64::from(n) * MONTH_MS).ok(),
        }
    }

    /// Values at even steps of the calendar up to the last stamp: the mean of those of one step, NaN where there is none.
    /// `None` for a fixed step. Stamps are ascending.
    #[must_use]
    pub fn regular(self, timestamps: &[i64], values: &[f64], calendar: &Calendar) -> Option<Vec<f64>> {
        let last = shown(*timestamps.last()?, calendar)?;
        let place = |at: &i64| self.place(shown(*at, calendar)?, last);
        let places: Vec<i64> = timestamps.iter().map(place).collect::<Option<_>>()?;
        let (first, last) = (*places.iter().min()?, *places.iter().max()?);
        let slots = usize::try_from(last - first).ok()?.saturating_add(1).min(MAX_SLOTS);
        let (mut sum, mut count) = (vec![0.0; slots], vec![0u32; slots]);
        for (place, value) in places.iter().zip(values).filter(|(_, v)| v.is_finite()) {
            let slot = usize::try_from(last - place).ok().and_then(|back| slots.checked_sub(back + 1));
            if let Some(slot) = slot {
                sum[slot] += value;
                count[slot] += 1;
            }
        }
        Some(sum.iter().zip(&count).map(|(s, &n)| if n > 0 { s / f64::from(n) } else { f64::NAN }).collect())
    }

    /// The next `steps` stamps of the calendar after these, which are ascending and not empty; `None` for a fixed step.
    #[must_use]
    pub fn after(self, timestamps: &[i64], steps: usize, calendar: &Calendar) -> Option<Vec<i64>> {
        let last = shown(*timestamps.last()?, calendar)?;
        let next = |k: usize| -> Option<i64> {
            let steps = u32::try_from(k).ok()?.checked_add(1)?;
            let at = match self {
                Self::Fixed(_) => return None,
                Self::Days(n) => last.checked_add_days(Days::new(u64::from(n) * u64::from(steps)))?,
                Self::Months(n) => {
                    let (rule, time) = in_month(timestamps, calendar).unwrap_or((InMonth::Day(1), NaiveTime::MIN));
                    let begin = last.date().with_day(1)?.checked_add_months(Months::new(n.checked_mul(steps)?))?;
                    rule.date(begin)?.and_time(time)
                }
            };
            Some(instant(at, calendar))
        };
        (0..steps).map(next).collect()
    }

    /// Steps of the series from the first stamp on that are a holiday, past or to come: of days alone, since a longer
    /// step holds other days too. `None` for a fixed step.
    #[must_use]
    pub fn holidays(self, first: i64, calendar: &Calendar) -> Option<Vec<Range<usize>>> {
        let from = match self {
            Self::Fixed(_) => return None,
            Self::Days(1) => i64::from(shown(first, calendar)?.date().num_days_from_ce()),
            Self::Days(_) | Self::Months(_) => return Some(Vec::new()),
        };
        let step = |day: &NaiveDate| usize::try_from(i64::from(day.num_days_from_ce()) - from).ok();
        Some(calendar.holidays.iter().filter_map(step).map(|step| step..step + 1).collect())
    }

    /// The step of the calendar in which clocks show `at`; that of `last` is 0.
    fn place(self, at: NaiveDateTime, last: NaiveDateTime) -> Option<i64> {
        match self {
            Self::Fixed(_) => None,
            Self::Days(n) => {
                // The nearest, since stamps of fixed days show another hour after a change of the clocks.
                let length = i64::from(n) * DAY_MS;
                let back = (last - at).num_milliseconds().saturating_add(length / 2).div_euclid(length);
                Some(-back)
            }
            Self::Months(n) => Some((month_of(at) - month_of(last)).div_euclid(i64::from(n))),
        }
    }
}

impl InMonth {
    /// The day of the month that begins on `begin`.
    fn date(self, begin: NaiveDate) -> Option<NaiveDate> {
        let length = days_in(begin)?;
        begin.with_day(match self {
            Self::Day(day) => day.min(length),
            Self::Last => length,
        })
    }
}

/// Months between rows, where all lie in different months at the same place.
fn months_apart(timestamps: &[i64], step: Step, calendar: &Calendar) -> Option<u32> {
    if step.millis() < SHORTEST_MONTH * DAY_MS || timestamps.len() < 3 {
        return None;
    }
    in_month(timestamps, calendar)?;
    let months: Vec<i64> = timestamps.iter().map(|at| shown(*at, calendar).map(month_of)).collect::<Option<_>>()?;
    let mut gaps: Vec<i64> = months.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    let usual = *gaps.get(gaps.len() / 2)?;
    // A row that is missing leaves a gap of a multiple.
    gaps.iter().all(|gap| gap % usual == 0).then(|| u32::try_from(usual).ok())?
}

/// Where in their months all stamps lie, and the time of day of the last one.
fn in_month(timestamps: &[i64], calendar: &Calendar) -> Option<(InMonth, NaiveTime)> {
    let all: Vec<NaiveDateTime> = timestamps.iter().map(|at| shown(*at, calendar)).collect::<Option<_>>()?;
    let time = all.last()?.time();
    let lengths: Vec<u32> = all.iter().map(|at| days_in(at.date())).collect::<Option<_>>()?;
    let days = || all.iter().map(|at| at.day()).zip(&lengths);
    let largest = days().map(|(day, _)| day).max()?;
    if days().all(|(day, length)| day == *length) {
        return Some((InMonth::Last, time));
    }
    if days().all(|(day, length)| day == largest.min(*length)) {
        return Some((InMonth::Day(largest), time));
    }
    // Working days at the end or at the beginning of months.
    if days().all(|(day, length)| day + JITTER_DAYS >= *length) {
        return Some((InMonth::Last, time));
    }
    days().all(|(day, _)| day <= 1 + JITTER_DAYS).then_some((InMonth::Day(1), time))
}

fn month_of(at: NaiveDateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

fn days_in(day: NaiveDate) -> Option<u32> {
    Some(day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()?.day())
}

/// What the calendar's clocks show at an instant.
fn shown(at: i64, calendar: &Calendar) -> Option<NaiveDateTime> {
    match calendar.zone {
        Some(zone) => Zone::shown(zone, at),
        None => Some(DateTime::from_timestamp_millis(at)?.naive_utc()),
    }
}

fn instant(at: NaiveDateTime, calendar: &Calendar) -> i64 {
    calendar.zone.map_or_else(|| at.and_utc().timestamp_millis(), |zone| zone.instant(at))
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

    /// The spacing of these stamps, and the next three.
    fn check(stamps: &[&str], days: i64, zone: Option<&str>, expected: Spacing, next: [&str; 3]) {
        let calendar = Calendar { zone: zone.map(|name| name.parse().unwrap()), holidays: Vec::new() };
        let stamps: Vec<i64> = stamps.iter().map(|text| at(text)).collect();
        let found = Spacing::of(&stamps, step(days), &calendar);
        assert_eq!(found, expected);
        assert_eq!(found.after(&stamps, 3, &calendar).unwrap(), next.map(at));
    }

    #[test]
    fn months_quarters_and_years_keep_their_place() {
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
        // The 30th, and a month that has none.
        check(
            &["2025-10-30T12:00:00Z", "2025-11-30T12:00:00Z", "2025-12-30T12:00:00Z"],
            30,
            None,
            m(1),
            ["2026-01-30T12:00:00Z", "2026-02-28T12:00:00Z", "2026-03-30T12:00:00Z"],
        );
        // Quarters with one missing, years at their ends, last working days.
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
        // Months of Berlin begin at 23:00 UTC in winter and at 22:00 UTC in summer.
        check(
            &["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"],
            31,
            Some("Europe/Berlin"),
            m(1),
            ["2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z"],
        );
    }

    #[test]
    fn days_keep_their_hour_and_thirty_days_are_no_month() {
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
        let stamps = ["2025-12-01T00:00:00Z", "2025-12-15T00:00:00Z", "2026-03-01T00:00:00Z"].map(at);
        let y = Spacing::Months(1).regular(&stamps, &[1.0, 3.0, 9.0], &Calendar::default()).unwrap();
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
