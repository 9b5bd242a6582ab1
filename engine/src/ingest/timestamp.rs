//! Parses timestamps of the usual forms to epoch milliseconds, for files, events and text. Never reads a clock.

use chrono::{DateTime, NaiveDate};

/// Maximum absolute value of a timestamp in epoch milliseconds: about the year 287,000. DuckDB's microsecond
/// timestamps, to which analysts' queries cast, overflow beyond it.
pub const TIMESTAMP_LIMIT_MS: i64 = 9_000_000_000_000_000;

/// Start of the integers that are read as seconds, up to [`SECONDS_END`]: in epoch seconds the years 2001 to 2099, and
/// in epoch milliseconds 1970-01-12 to 1970-02-17, for which no metrics exist.
const SECONDS_START: i64 = 1_000_000_000;
/// End of the range of [`SECONDS_START`], exclusive.
const SECONDS_END: i64 = 4_102_444_800;
/// Milliseconds from here on (the year 1973) cannot be seconds, which would be the year 5138.
const MODERN_MS: i64 = 100_000_000_000;
/// The same bound in microseconds; larger integers are microseconds.
const MICROS_START: u64 = 100_000_000_000_000;
/// The same bound in nanoseconds; larger integers are nanoseconds.
const NANOS_START: u64 = 100_000_000_000_000_000;

/// Returns whether `millis` is within ±[`TIMESTAMP_LIMIT_MS`].
#[must_use]
pub(crate) fn in_range(millis: i64) -> bool {
    (-TIMESTAMP_LIMIT_MS..=TIMESTAMP_LIMIT_MS).contains(&millis)
}

/// Returns whether an integer given as epoch milliseconds is more likely a count of seconds.
#[must_use]
pub(crate) fn looks_like_seconds(millis: i64) -> bool {
    (SECONDS_START..SECONDS_END).contains(&millis)
}

/// Range of accepted timestamps of a request; ends a little ahead of the receiver's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcceptedTimestamps {
    /// Latest accepted timestamp in epoch milliseconds.
    pub(crate) latest_ms: i64,
}

/// Reason for rejecting a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimestampFault {
    /// Outside ±[`TIMESTAMP_LIMIT_MS`].
    OutOfRange,
    /// Later than the latest accepted timestamp.
    Ahead,
    /// Probably epoch seconds: in early 1970 as milliseconds.
    Seconds,
}

impl AcceptedTimestamps {
    /// Accepts timestamps up to `ahead_ms` after `now_ms`.
    pub(crate) fn until(now_ms: i64, ahead_ms: i64) -> Self {
        Self { latest_ms: now_ms.saturating_add(ahead_ms).min(TIMESTAMP_LIMIT_MS) }
    }

    /// Returns whether a timestamp is accepted; called for every sample, so it is only comparisons.
    #[inline]
    pub(crate) fn contains(&self, millis: i64) -> bool {
        (-TIMESTAMP_LIMIT_MS..=self.latest_ms).contains(&millis) && !looks_like_seconds(millis)
    }

    /// Returns why a timestamp is rejected; `None` if it is accepted.
    pub(crate) fn fault(&self, millis: i64) -> Option<TimestampFault> {
        if !in_range(millis) {
            Some(TimestampFault::OutOfRange)
        } else if millis > self.latest_ms {
            Some(TimestampFault::Ahead)
        } else {
            looks_like_seconds(millis).then_some(TimestampFault::Seconds)
        }
    }
}

/// Converts a timestamp of a file whose integers are seconds; other timestamps are returned unchanged.
#[must_use]
pub(crate) fn from_seconds(stamp: i64) -> i64 {
    if looks_like_seconds(stamp) { stamp * 1000 } else { stamp }
}

/// Returns whether an integer is likely a time: since 2001 in seconds or since 1973 in milliseconds.
#[must_use]
pub(crate) fn looks_like_time(count: i64) -> bool {
    looks_like_seconds(count) || count >= MODERN_MS
}

/// Description of a valid timestamp, for messages.
pub(crate) const EXPECTED: &str = "a timestamp: RFC 3339 such as 2026-01-31T12:00:00Z, or integer epoch milliseconds";

/// Parsed timestamp, before the unit of integers is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParsedTimestamp {
    /// Epoch milliseconds of an unambiguous form.
    Instant(i64),
    /// Integer, read as epoch milliseconds unless the whole column counts seconds.
    Integer(i64),
    /// Epoch milliseconds of a number of seconds with a fraction; integers in the same column are then seconds.
    Fraction(i64),
}

impl ParsedTimestamp {
    /// Returns epoch milliseconds; an integer is taken as milliseconds.
    pub(crate) fn millis(self) -> i64 {
        match self {
            Self::Instant(millis) | Self::Integer(millis) | Self::Fraction(millis) => millis,
        }
    }
}

/// Parses one timestamp of a file: a date with optional time and offset (default UTC), or a number.
///
/// Integers are milliseconds, or by magnitude microseconds or nanoseconds. Numbers with a decimal point are seconds
/// from 1973 on, or by magnitude milliseconds. Fractions of a millisecond are rounded towards the past.
pub(crate) fn read(text: &str) -> Option<ParsedTimestamp> {
    let text = text.trim();
    if let Ok(count) = text.parse::<i64>() {
        return integer(count);
    }
    if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
        && let Ok(number) = text.parse::<f64>()
    {
        return decimal(number);
    }
    instant(text).filter(|&millis| in_range(millis)).map(ParsedTimestamp::Instant)
}

/// Parses an integer of a file.
pub(crate) fn integer(count: i64) -> Option<ParsedTimestamp> {
    match count.unsigned_abs() {
        NANOS_START.. => Some(ParsedTimestamp::Instant(count.div_euclid(1_000_000))),
        MICROS_START.. => Some(ParsedTimestamp::Instant(count.div_euclid(1000))),
        _ => Some(ParsedTimestamp::Integer(count)),
    }
}

/// Parses a number with a decimal point: integers in pandas columns with gaps, or seconds of `time.time()`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be within i64")]
pub(crate) fn decimal(number: f64) -> Option<ParsedTimestamp> {
    let has_fraction = number.fract().abs() > 0.0;
    if has_fraction && number.abs() < 1e11 {
        // Seconds of the years 1973 to 5138; smaller numbers with a fraction are unlikely times. Rounding to
        // microseconds first prevents that 0.123 s becomes 122 ms.
        return (number.abs() >= 1e8)
            .then(|| ParsedTimestamp::Fraction(((number * 1e6).round() as i64).div_euclid(1000)));
    }
    (number.abs() < 9e18).then(|| integer(number.floor() as i64))?
}

/// Parses an instant of a request: integer epoch milliseconds, or a date and time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<i64>() {
        return in_range(millis).then_some(millis);
    }
    instant(text).filter(|&millis| in_range(millis))
}

/// Converts a count of `per_second` units since 1970 to milliseconds, rounded towards the past; `None` if out of range.
pub(crate) fn from_units(count: i64, per_second: i64) -> Option<i64> {
    let millis =
        if per_second >= 1000 { count.div_euclid(per_second / 1000) } else { count.checked_mul(1000 / per_second)? };
    in_range(millis).then_some(millis)
}

/// Parses a date (`2026-01-31`, `2026/01/31`, `2026-01`) with optional time and offset, or an RFC 2822 date.
fn instant(text: &str) -> Option<i64> {
    let Some((date, rest)) = date(text) else {
        return DateTime::parse_from_rfc2822(text).ok().map(|stamp| stamp.timestamp_millis());
    };
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    if rest.is_empty() {
        return Some(midnight);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let len = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(len);
    Some(midnight + clock_ms(clock)? - offset_ms(zone.trim())?)
}

/// Parses a date, year first, at the start of a text; returns the rest as well.
fn date(text: &str) -> Option<(NaiveDate, &str)> {
    let (year, rest) = digits(text, 4)?;
    let separator = rest.chars().next().filter(|c| matches!(c, '-' | '/'))?;
    let (month, rest) = digits(&rest[1..], 2)?;
    let (day, rest) = match rest.strip_prefix(separator) {
        Some(rest) => digits(rest, 2)?,
        // Year and month only, as in monthly data.
        None if rest.is_empty() => (1, rest),
        None => return None,
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    Some((date?, rest))
}

/// Parses exactly `count` digits; returns the rest as well.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let head = text.get(..count).filter(|head| head.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((head.parse().ok()?, &text[count..]))
}

/// Parses `HH:MM` or `HH:MM:SS` with an optional fraction, to milliseconds of the day.
fn clock_ms(text: &str) -> Option<i64> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = if rest.is_empty() { (0, rest) } else { digits(rest.strip_prefix(':')?, 2)? };
    let mut millis = 0;
    if !rest.is_empty() {
        let fraction = rest.strip_prefix(['.', ','])?;
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let first: String = fraction.chars().chain("000".chars()).take(3).collect();
        millis = first.parse().ok()?;
    }
    // Second 60 is a leap second; 24:00 is the end of the day.
    let is_end = hour == 24 && minute == 0 && second == 0 && millis == 0;
    if (hour > 23 && !is_end) || minute > 59 || second > 60 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// Parses an offset from UTC: none, `Z`, `UTC`, `+01`, `+0100`, `+01:00`, or `+0000 UTC` as Go prints it; in
/// milliseconds.
fn offset_ms(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z" | "UTC" | "GMT" | "utc") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&zone[1..], 2)?;
    let rest = rest.strip_suffix("UTC").unwrap_or(rest).trim_end();
    let minutes = if rest.is_empty() {
        0
    } else {
        let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
        rest.is_empty().then_some(minutes)?
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Detects the unit of a file's integer timestamps from all of its timestamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UnitDetector {
    /// Row number of the first integer that looks like seconds.
    pub(crate) seconds_like: Option<u64>,
    /// Row number of the first timestamp from 1973 on.
    pub(crate) modern: Option<u64>,
    /// Whether there are timestamps that can only be milliseconds before 1973.
    others: bool,
}

impl UnitDetector {
    /// Counts one timestamp.
    pub(crate) fn count(&mut self, written: ParsedTimestamp, place: u64) {
        match written {
            ParsedTimestamp::Integer(count) if looks_like_seconds(count) => {
                self.seconds_like.get_or_insert(place);
            }
            ParsedTimestamp::Fraction(_) => {}
            ParsedTimestamp::Integer(millis) | ParsedTimestamp::Instant(millis) if millis >= MODERN_MS => {
                self.modern.get_or_insert(place);
            }
            _ => self.others = true,
        }
    }

    /// Returns whether all integers are seconds.
    pub(crate) fn is_seconds(&self) -> bool {
        self.seconds_like.is_some() && self.modern.is_none() && !self.others
    }

    /// Returns whether some integers look like seconds and other timestamps do not.
    pub(crate) fn is_mixed(&self) -> bool {
        self.seconds_like.is_some() && self.modern.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YEAR: i64 = 1_767_225_600_000;

    #[test]
    fn timestamps_of_every_usual_form() {
        let check = |text: &str, expected: i64| {
            assert_eq!(read(text), Some(ParsedTimestamp::Instant(NEW_YEAR + expected)), "{text}");
        };
        for text in [
            "2026-01-01",
            "2026-01",
            "2026/01/01",
            "2026-01-01 00:00",
            "2026-01-01T00:00Z",
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00z",
            "2026-01-01 00:00:00 UTC",
            "2026-01-01 00:00:00 +0000 UTC",
            "2026-01-01T01:00:00+01",
            "2026-01-01T01:00:00+0100",
            "2026-01-01T01:00:00+01:00",
            "2025-12-31 19:00:00-05",
            "2026-01-01T05:30:00+0530",
            "2025-12-31T24:00:00",
            "Thu, 01 Jan 2026 00:00:00 GMT",
            "1767225600000000",
            "1767225600000000000",
        ] {
            check(text, 0);
        }
        check("2026-01-01 00:00:00,25", 250);
        check("2026-01-01T02:00:00.0015+02:00", 1);
        check("1767225600123456", 123);
        assert_eq!(read("1767225600.123"), Some(ParsedTimestamp::Fraction(NEW_YEAR + 123)));
        assert_eq!(read("1767225600.5"), Some(ParsedTimestamp::Fraction(NEW_YEAR + 500)));
    }

    #[test]
    fn the_unit_of_integers_is_decided_later() {
        assert_eq!(read(" 1767225600000 "), Some(ParsedTimestamp::Integer(NEW_YEAR)));
        assert_eq!(read("1767225600000.0"), Some(ParsedTimestamp::Integer(NEW_YEAR)));
        assert_eq!(read("1.7672256e12"), Some(ParsedTimestamp::Integer(NEW_YEAR)));
        assert_eq!(read("1767225600"), Some(ParsedTimestamp::Integer(1_767_225_600)));
        assert_eq!(read("1767225600.0"), Some(ParsedTimestamp::Integer(1_767_225_600)));
        assert_eq!(read("-1"), Some(ParsedTimestamp::Integer(-1)));
    }

    #[test]
    fn text_that_is_not_a_timestamp() {
        for text in [
            "",
            "yesterday",
            "1.5",
            "2026-02-30",
            "2026-13-01",
            "01/02/2026",
            "2026-01-01T25:00:00",
            "2026-01-01T00",
            "2026-01-01T00:00:00+",
            "2026-01-01X",
            "2026-01-01 00:00:00 CET",
            "NaN",
            "inf",
            "2026-01-01T00:00:00.",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(parse("1767225600000000000"), None);
        assert_eq!(parse("2026-01-01"), Some(NEW_YEAR));
        assert_eq!(parse("1.5"), None);
        assert_eq!(parse("1969-12-31T23:59:59.9995Z"), Some(-1));
    }

    #[test]
    fn the_unit_is_detected_from_the_whole_column() {
        let units = |stamps: &[&str]| {
            let mut units = UnitDetector::default();
            for (place, text) in stamps.iter().enumerate() {
                units.count(read(text).unwrap(), place as u64);
            }
            (units.is_seconds(), units.is_mixed())
        };
        assert_eq!(units(&["1767225600", "1767225660"]), (true, false));
        assert_eq!(units(&["1767225600", "1767225660000"]), (false, true));
        assert_eq!(units(&["2026-01-01", "1767225660"]), (false, true));
        assert_eq!(units(&["1767225600.5", "1767225601.0"]), (true, false));
        assert_eq!(units(&["0", "1767225600"]), (false, false));
        assert_eq!(units(&["1000", "1767225600000"]), (false, false));
    }

    #[test]
    fn units_are_rounded_towards_the_past() {
        assert_eq!(from_units(-1, 1_000_000), Some(-1));
        assert_eq!(from_units(1_999_999, 1_000_000_000), Some(1));
        assert_eq!(from_units(3, 1), Some(3000));
        assert_eq!(from_units(3, 1000), Some(3));
        assert_eq!(from_units(i64::MAX, 1), None);
    }
}
