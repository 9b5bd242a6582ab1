//! Time zones by name, holidays by date, and their offsets and steps in the form that `almanac-models` takes.

use std::ops::Range;

use almanac_models::{Step, Timestamp, units::UtcOffsets};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Step of the search for changes of an offset, in milliseconds: no zone changed back within two days.
const SEARCH_STEP_MS: i64 = 2 * 86_400_000;

/// The error of an unknown time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {name:?}: use a name of the IANA database, such as Europe/Berlin")]
pub struct UnknownZone {
    /// The name as given.
    pub name: String,
}

/// The error of a text that is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a date: use the form 2026-12-25")]
pub struct NoDate {
    /// The text as given.
    pub text: String,
}

/// Parses a date such as `2026-12-25`.
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
    /// Returns the offset from UTC at a time, in milliseconds; 0 outside the range of the calendar.
    #[must_use]
    pub fn ahead(self, at: Timestamp) -> i64 {
        self.ahead_ms(at.millis())
    }

    /// Returns the start of a day; its first instant if a clock change skips midnight.
    fn day_start(self, day: NaiveDate) -> i64 {
        self.timestamp_of(day.and_time(NaiveTime::MIN))
    }

    /// Returns the local time at a timestamp; `None` outside the range of the calendar.
    pub(super) fn local_time(self, millis: i64) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_millis(millis)?;
        Some(DateTime::from_timestamp_millis(millis.saturating_add(self.ahead_ms(millis)))?.naive_utc())
    }

    /// Returns the timestamp of a local time; an hour later if a clock change skips it.
    pub(super) fn timestamp_of(self, local_time: NaiveDateTime) -> i64 {
        let local = local_time.and_utc().timestamp_millis();
        let mut at = local;
        // Twice, because the first guess may be on the other side of a clock change.
        for _ in 0..2 {
            at = local - self.ahead_ms(at);
        }
        at
    }

    /// Returns the offsets from UTC between two times, with their changes to the second.
    #[must_use]
    pub fn offsets(self, from: Timestamp, until: Timestamp) -> UtcOffsets {
        let first = self.ahead_ms(from.millis());
        let mut changes = Vec::new();
        let (mut at, mut ahead) = (from.millis(), first);
        while at < until.millis() {
            let next = at.saturating_add(SEARCH_STEP_MS).min(until.millis());
            let later = self.ahead_ms(next);
            if later != ahead {
                changes.push((Timestamp::from_millis(self.first_change(at, next, ahead)), later));
                ahead = later;
            }
            at = next;
        }
        UtcOffsets::new(first, changes)
    }

    /// Returns the first time after `low` at which the offset is not `ahead`, by bisection. At `high` it must differ.
    fn first_change(self, mut low: i64, mut high: i64, ahead: i64) -> i64 {
        while high - low > 1_000 {
            let middle = low + (high - low) / 2;
            if self.ahead_ms(middle) == ahead {
                low = middle;
            } else {
                high = middle;
            }
        }
        // Changes occur at whole seconds.
        high.div_euclid(1_000) * 1_000
    }

    /// Returns the offset from UTC in milliseconds; 0 outside the range of the calendar.
    fn ahead_ms(self, millis: i64) -> i64 {
        let Some(at) = DateTime::from_timestamp_millis(millis) else { return 0 };
        i64::from(self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * 1_000
    }
}

/// The time zone and the holidays of signals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calendar {
    /// Time zone; `None`: UTC.
    pub zone: Option<Zone>,
    /// Holidays, as dates in the time zone.
    pub holidays: Vec<NaiveDate>,
}

impl Calendar {
    /// Returns the offsets from UTC between two times; `None` if the calendar has no zone.
    #[must_use]
    pub fn offsets(&self, from: Timestamp, until: Timestamp) -> Option<UtcOffsets> {
        self.zone.map(|zone| zone.offsets(from, until))
    }

    /// Returns the steps of a series from `start` on that are on a holiday, past or future.
    #[must_use]
    pub fn holiday_steps(&self, start: Timestamp, step: Step) -> Vec<Range<usize>> {
        let midnight = |day: NaiveDate| match self.zone {
            Some(zone) => zone.day_start(day),
            None => day.and_time(NaiveTime::MIN).and_utc().timestamp_millis(),
        };
        // The first step at or after a time.
        let step_from = |at: i64| {
            let after = at.saturating_sub(start.millis()).max(0);
            usize::try_from((after + step.millis() - 1) / step.millis()).unwrap_or(usize::MAX)
        };
        let day = |day: &NaiveDate| {
            let next = day.checked_add_days(Days::new(1))?;
            Some(step_from(midnight(*day))..step_from(midnight(next)))
        };
        self.holidays.iter().filter_map(day).filter(|steps| steps.start < steps.end).collect()
    }

    /// Returns the number of whole steps by which clocks are set ahead between two times; negative if they are set
    /// back.
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
        assert_eq!(message, "unknown time zone \"Berlin\": use a name of the IANA database, such as Europe/Berlin");
    }

    #[test]
    fn holidays_are_days_of_the_zone() {
        let at = |text: &str| Timestamp::from_millis(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis());
        let hour = Step::from_millis(3_600_000).unwrap();
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let berlin =
            Calendar { zone: "Europe/Berlin".parse().ok(), holidays: vec![date("2026-03-29"), date("2025-01-01")] };
        // 29 March has 23 hours and starts at 23:00 UTC. Holidays before the series are left out.
        assert_eq!(berlin.holiday_steps(at("2026-03-28T00:00:00Z"), hour), vec![23..46]);
        let utc = Calendar { zone: None, holidays: vec![date("2026-03-29")] };
        assert_eq!(utc.holiday_steps(at("2026-03-28T12:00:00Z"), hour), vec![12..36]);
        let set =
            |calendar: &Calendar| calendar.clocks_set(at("2026-03-29T00:00:00Z"), at("2026-03-29T01:00:00Z"), hour);
        assert_eq!((set(&berlin), set(&utc)), (1, 0));
    }
}
