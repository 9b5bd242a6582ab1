//! Time zones by name, as the offsets that the numerics need.

use almanac_models::{Timestamp, units::UtcOffsets};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Distance at which offsets are compared: no zone changed twice within two days and back.
const LOOK_MS: i64 = 2 * 86_400_000;

/// A time zone that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone {name:?} is unknown: write one of the IANA database, such as Europe/Berlin")]
pub struct UnknownZone {
    /// What was given.
    pub name: String,
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

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
}
