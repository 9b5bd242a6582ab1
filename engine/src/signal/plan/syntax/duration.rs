//! Parses durations with units: `5m`, `1h30m`, `1d`.

use crate::signal::plan::LONGEST_MS;

/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a text of digits and letters as a duration in milliseconds.
///
/// # Errors
/// The problem and its correction.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let mut total: i64 = 0;
    let mut shorter_than = i64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let Some((_, unit_ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(text, unit));
        };
        if *unit_ms >= shorter_than {
            return Err("the units of a duration must go from long to short, each once, such as 1h30m".to_owned());
        }
        shorter_than = *unit_ms;
        let amount: Option<i64> = digits.parse::<i64>().ok().and_then(|count| count.checked_mul(*unit_ms));
        total = amount
            .and_then(|amount| total.checked_add(amount))
            .filter(|total| *total <= LONGEST_MS)
            .ok_or_else(|| "the duration is out of range; the longest is 292 years".to_owned())?;
        rest = after;
    }
    Ok(total)
}

/// Returns the message about an unknown unit, with the most likely correction.
fn unknown_unit(text: &str, unit: &str) -> String {
    if unit.starts_with('.') {
        return format!("durations have no fractions; write {text} in a smaller unit, such as 90m for 1.5h");
    }
    let near = match unit.to_ascii_lowercase().as_str() {
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "hr" | "hrs" | "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        "week" | "weeks" => Some("w"),
        "year" | "years" => Some("y"),
        "msec" | "millis" => Some("ms"),
        "mo" | "mon" | "month" | "months" => return "there is no unit of months; write 30d".to_owned(),
        lower => UNITS.iter().map(|(name, _)| *name).find(|name| *name == lower),
    };
    let units = "the units are ms, s, m, h, d, w and y";
    match near {
        Some(near) => format!("{unit:?} is not a unit of time; write {near}"),
        None if unit.is_empty() => format!("a unit is missing; {units}"),
        None => format!("{unit:?} is not a unit of time; {units}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_not_limited_to_32_bits() {
        assert_eq!(parse("1h30m"), Ok(5_400_000));
        assert_eq!(parse("5000000000s"), Ok(5_000_000_000_000));
        assert_eq!(parse("4294967296ms"), Ok(4_294_967_296));
        assert_eq!(parse("1y2w3d4h5m6s7ms"), Ok(33_019_506_007));
        assert_eq!(parse("292y"), Ok(292 * 365 * 86_400_000));
        for (text, part) in [
            ("293y", "292 years"),
            ("99999999999999999999s", "292 years"),
            ("5min", "write m"),
            ("30m1h", "from long to short"),
            ("1h1h", "from long to short"),
            ("5M", "write m"),
            ("2mo", "30d"),
            ("5x", "the units are"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
