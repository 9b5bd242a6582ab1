//! Parses and formats Prometheus durations such as `5m` and `1h30m`.

/// Units of a Prometheus duration, longest first, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a Prometheus duration such as `5m` or `1h30m` to milliseconds; `0` needs no unit.
///
/// Units must descend from the longest to the shortest, each at most once. Returns `None` for anything else.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total_ms, mut next_unit) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = UNITS.iter().position(|(name, _)| *name == &rest[..letters]).filter(|unit| *unit >= next_unit)?;
        total_ms = total_ms.checked_add(count.checked_mul(UNITS[unit].1)?)?;
        next_unit = unit + 1;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(total_ms)
}

/// Formats milliseconds ≥ 0 as Prometheus does: `5m`, `1h30m`, `0s`. Weeks and years are used only without a remainder.
#[must_use]
pub fn format_duration(millis: i64) -> String {
    if millis <= 0 {
        return "0s".to_owned();
    }
    let (mut rest_ms, mut text) = (millis, String::new());
    for (unit, unit_ms) in UNITS {
        let exact_only = matches!(unit, "y" | "w");
        if rest_ms < unit_ms || (exact_only && rest_ms % unit_ms != 0) {
            continue;
        }
        text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
        rest_ms %= unit_ms;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_prometheus_reads_and_writes_them() {
        for (text, millis, written) in [
            ("5m", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90s", 90_000, "1m30s"),
            ("1w", 604_800_000, "1w"),
            ("8d", 691_200_000, "8d"),
            ("1500ms", 1_500, "1s500ms"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse_duration(text), Some(millis), "{text}");
            assert_eq!(format_duration(millis), written, "{text}");
        }
        for text in ["", "5", "m", "5x", "-5m", "1m1h", "1m1m", "5 m", "99999999999y"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0_i64..10_i64.pow(12)) {
            prop_assert_eq!(parse_duration(&format_duration(millis)), Some(millis));
        }
    }
}
