//! A time zone by name and holidays by date, as the numerics need them.

use std::ops::Range;

use almanac_models::{Step, Timestamp, units::UtcOffsets};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Distance at which offsets are compared: no zone changed twice within two days and back.
const LOOK_MS: i64 = 2 * 86_400_000;

/// A time zone that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone {name:?} is unknown: write one of the IANA database, such as Europe/Berlin")]
pub struct UnknownZone {
    /// What was given.
    pub name: String,
}

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no date: write one like 2026-12-25")]
pub struct NoDate {
    /// What was given.
    pub text: String,
}

/// A day, written as in `2026-12-25`.
///
/// # Errors
/// [`NoDate`].
pub fn parse_date(text: &str) -> Result<NaiveDate, NoDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").map_err(|_| NoDate { text: text.trim().to_owned() })
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(Tz);

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.to_string()
    }
}

impl std::str::FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(Self).map_err(|_| UnknownZone { name: name.to_owned() })
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Zone {
    /// What its clocks are ahead of UTC at an instant, in milliseconds; 0 where the calendar ends.
    #[must_use]
    pub fn ahead(self, at: Timestamp) -> i64 {
        self.ahead_ms(at.millis())
    }

    /// When a day begins; the first instant of it where its midnight is skipped.
    fn begin(self, day: NaiveDate) -> i64 {
        self.instant(day.and_time(NaiveTime::MIN))
    }

    /// The date and the time of day that its clocks show at an instant; `None` where the calendar ends.
    pub(super) fn shown(self, millis: i64) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_millis(millis)?;
        Some(DateTime::from_timestamp_millis(millis.saturating_add(self.ahead_ms(millis)))?.naive_utc())
    }

    /// The instant at which its clocks show a date and a time of day; an hour later where they skip it.
    pub(super) fn instant(self, shown: NaiveDateTime) -> i64 {
        let local = shown.and_utc().timestamp_millis();
        let mut at = local;
        // Twice, as the first guess may lie on the other side of a change.
        for _ in 0..2 {
            at = local - self.ahead_ms(at);
        }
        at
    }

    /// What its clocks are ahead of UTC between two instants, and when that changes, to the second.
    #[must_use]
    pub fn offsets(self, from: Timestamp, until: Timestamp) -> UtcOffsets {
        let first = self.ahead_ms(from.millis());
        let mut changes = Vec::new();
        let (mut at, mut ahead) = (from.millis(), first);
        while at < until.millis() {
            let next = at.saturating_add(LOOK_MS).min(until.millis());
            let later = self.ahead_ms(next);
            if later != ahead {
                changes.push((Timestamp::from_millis(self.change(at, next, ahead)), later));
                ahead = later;
            }
            at = next;
        }
        UtcOffsets::new(first, changes)
    }

    /// The first instant after `low` at which the offset is no longer `ahead`; at `high` it is another.
    fn change(self, mut low: i64, mut high: i64, ahead: i64) -> i64 {
        while high - low > 1_000 {
            let middle = low + (high - low) / 2;
            if self.ahead_ms(middle) == ahead {
                low = middle;
            } else {
                high = middle;
            }
        }
        // Changes fall on whole seconds.
        high.div_euclid(1_000) * 1_000
    }

    /// What the clocks are ahead of UTC, in milliseconds; 0 where the calendar ends.
    fn ahead_ms(self, millis: i64) -> i64 {
        let Some(at) = DateTime::from_timestamp_millis(millis) else { return 0 };
        i64::from(self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * 1_000
    }
}

/// What days are like: the clocks that they follow, and which of them are holidays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calendar {
    /// The time zone; `None`: UTC.
    pub zone: Option<Zone>,
    /// Days, by those clocks, that are not like others.
    pub holidays: Vec<NaiveDate>,
}

impl Calendar {
    /// How the clocks change between two instants; `None` where they are those of UTC.
    #[must_use]
    pub fn offsets(&self, from: Timestamp, until: Timestamp) -> Option<UtcOffsets> {
        self.zone.map(|zone| zone.offsets(from, until))
    }

    /// The steps of a series from `start` on that lie on a holiday, past or to come.
    #[must_use]
    pub fn holiday_steps(&self, start: Timestamp, step: Step) -> Vec<Range<usize>> {
        let midnight = |day: NaiveDate| match self.zone {
            Some(zone) => zone.begin(day),
            None => day.and_time(NaiveTime::MIN).and_utc().timestamp_millis(),
        };
        // The first step at or after an instant.
        let place = |at: i64| {
            let after = at.saturating_sub(start.millis()).max(0);
            usize::try_from((after + step.millis() - 1) / step.millis()).unwrap_or(usize::MAX)
        };
        let day = |day: &NaiveDate| {
            let next = day.checked_add_days(Days::new(1))?;
            Some(place(midnight(*day))..place(midnight(next)))
        };
        self.holidays.iter().filter_map(day).filter(|steps| steps.start < steps.end).collect()
    }

    /// By how many steps the clocks are set ahead between two instants, back where negative; 0 where that is no whole step.
    #[must_use]
    pub fn clocks_set(&self, before: Timestamp, at: Timestamp, step: Step) -> i64 {
        self.zone.map_or(0, |zone| (zone.ahead(at) - zone.ahead(before)) / step.millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_year_are_found() {
        let at = |text: &str| Timestamp::from_millis(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis());
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let found = zone.offsets(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        // Directive 2000/84/EC: last Sundays of March and October, 01:00 UTC.
        let expected = UtcOffsets::new(
            3_600_000,
            vec![(at("2026-03-29T01:00:00Z"), 7_200_000), (at("2026-10-25T01:00:00Z"), 3_600_000)],
        );
        assert_eq!(found, expected);
        assert_eq!(
            "UTC".parse::<Zone>().unwrap().offsets(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")),
            UtcOffsets::default()
        );
        let message = "Berlin".parse::<Zone>().unwrap_err().to_string();
        assert_eq!(message, "time zone \"Berlin\" is unknown: write one of the IANA database, such as Europe/Berlin");
    }

    #[test]
    fn holidays_are_days_of_the_zone() {
        let at = |text: &str| Timestamp::from_millis(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis());
        let hour = Step::from_millis(3_600_000).unwrap();
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let berlin =
            Calendar { zone: "Europe/Berlin".parse().ok(), holidays: vec![date("2026-03-29"), date("2025-01-01")] };
        // The 29th of March has 23 hours and begins at 23:00 UTC; what lies before the series is left out.
        assert_eq!(berlin.holiday_steps(at("2026-03-28T00:00:00Z"), hour), vec![23..46]);
        let utc = Calendar { zone: None, holidays: vec![date("2026-03-29")] };
        assert_eq!(utc.holiday_steps(at("2026-03-28T12:00:00Z"), hour), vec![12..36]);
        let set =
            |calendar: &Calendar| calendar.clocks_set(at("2026-03-29T00:00:00Z"), at("2026-03-29T01:00:00Z"), hour);
        assert_eq!((set(&berlin), set(&utc)), (1, 0));
    }
}
