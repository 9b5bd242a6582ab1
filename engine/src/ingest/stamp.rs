use chrono::{DateTime, NaiveDateTime};

/// The furthest timestamp from 1970 that is taken, in epoch milliseconds either way: about the year
/// 287,000. Beyond it a stamp is a mistake in the unit (nanoseconds, say), and DuckDB's
/// microsecond timestamps, to which analysts' queries cast, would overflow.
pub const TIMESTAMP_LIMIT_MS: i64 = 9_000_000_000_000_000;

/// Whether `millis` lies within [`TIMESTAMP_LIMIT_MS`] of 1970.
#[must_use]
pub(crate) fn in_range(millis: i64) -> bool {
    (-TIMESTAMP_LIMIT_MS..=TIMESTAMP_LIMIT_MS).contains(&millis)
}

/// What a timestamp may look like, for messages.
pub(crate) const EXPECTED: &str = "a timestamp: RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds";

/// Reads an instant: integer epoch milliseconds, RFC 3339, or a date and time without an offset, which is UTC.
///
/// Digits finer than a millisecond are cut off towards the past.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<i64>() {
        return in_range(millis).then_some(millis);
    }
    if let Ok(stamp) = DateTime::parse_from_rfc3339(text) {
        return Some(stamp.timestamp_millis());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|stamp| stamp.and_utc().timestamp_millis())
}

/// Milliseconds of a count of `per_second` units since 1970, cut off towards the past; none when out of range.
pub(crate) fn from_units(count: i64, per_second: i64) -> Option<i64> {
    let millis =
        if per_second >= 1000 { count.div_euclid(per_second / 1000) } else { count.checked_mul(1000 / per_second)? };
    in_range(millis).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_every_accepted_form() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse(text), expected, "{text}");
        check("0", Some(0));
        check("-1", Some(-1));
        check(" 1767225600000 ", Some(1_767_225_600_000));
        check("2026-01-01T00:00:00Z", Some(1_767_225_600_000));
        check("2026-01-01T02:00:00.0015+02:00", Some(1_767_225_600_001));
        check("2026-01-01 00:00:00", Some(1_767_225_600_000));
        check("1969-12-31T23:59:59.9995Z", Some(-1));
        check("1767225600000000000", None);
        check("2026-01-01", None);
        check("2026-02-30T00:00:00Z", None);
        check("1.5", None);
        check("", None);
        check("yesterday", None);
    }

    #[test]
    fn units_are_cut_towards_the_past() {
        assert_eq!(from_units(-1, 1_000_000), Some(-1));
        assert_eq!(from_units(1_999_999, 1_000_000_000), Some(1));
        assert_eq!(from_units(3, 1), Some(3000));
        assert_eq!(from_units(3, 1000), Some(3));
        assert_eq!(from_units(i64::MAX, 1), None);
    }
}
