//! Formats instants, and parses instants and durations.

use chrono::{DateTime, SecondsFormat};

/// Formats an instant (epoch milliseconds) as RFC 3339 with milliseconds and `Z`; outside of its range as the number.
pub(crate) fn iso(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Parses an instant, RFC 3339 or a number in units of `unit_ms` milliseconds, into epoch milliseconds.
pub(crate) fn parse_time(text: &str, unit_ms: f64) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        return rounded(number * unit_ms);
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

/// Parses a duration, seconds (`15`, `0.5`) or Prometheus' notation (`15s`, `1h30m`), into milliseconds.
pub(crate) fn parse_duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return rounded(seconds * 1000.0);
    }
    let mut rest = text;
    let mut total = 0i64;
    let mut largest = i64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        // As in Prometheus, units must descend and not repeat.
        if unit >= largest {
            return None;
        }
        largest = unit;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(total)
}

/// Rounds to the nearest integer; `None` outside of ±9.2e18, which an `i64` can hold.
fn rounded(number: f64) -> Option<i64> {
    let number = number.round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the range of i64")]
    (number.is_finite() && number.abs() < 9.2e18).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_time(text, 1000.0), expected, "{text}");
        check("1795419624.385", Some(1_795_419_624_385));
        check("2026-11-23T07:40:24.385Z", Some(1_795_419_624_385));
        check("-5", Some(-5000));
        check("2026-11-23T08:40:24.385+01:00", Some(1_795_419_624_385));
        for wrong in ["", "NaN", "inf", "1e300", "yesterday", "2026-11-23"] {
            check(wrong, None);
        }
        assert_eq!(iso(1_795_419_624_385), "2026-11-23T07:40:24.385Z");
    }

    #[test]
    fn durations_are_seconds_or_prometheus_notation() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_duration_ms(text), expected, "{text}");
        check("15", Some(15_000));
        check("0.25", Some(250));
        check("1h30m", Some(5_400_000));
        check("1d", Some(86_400_000));
        for wrong in ["", "m", "5", "30m1h", "1h1h", "5 m", "1parsec"] {
            let expected = if wrong == "5" { Some(5000) } else { None };
            check(wrong, expected);
        }
    }
}
