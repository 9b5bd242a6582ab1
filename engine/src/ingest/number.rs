//! Parses numbers in files, including Grafana's formatted numbers with units.

/// Parsed value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Empty text, or a word for a missing value.
    Missing,
    /// A number, including NaN and the infinities.
    Value(f64),
}

/// Words for a missing value, compared case-insensitively.
const MISSING: [&str; 7] = ["", "null", "na", "n/a", "none", "<na>", "undefined"];

/// Parses a number: digits, `NaN`, `Inf`, `+Inf`, `-Infinity`, or a number with a unit of [`SCALES`] or [`RATES`].
pub(crate) fn read(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Ok(value) = text.parse::<f64>() {
        return Some(Number::Value(value));
    }
    if MISSING.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(Number::Missing);
    }
    with_unit(text).map(Number::Value)
}

/// Units of Grafana's "Formatted data" and their factors to the base unit: bytes, seconds, or plain counts. Percentages
/// stay percentages.
const SCALES: &[(&str, f64)] = &[
    ("%", 1.0),
    ("K", 1e3),
    ("k", 1e3),
    ("Mil", 1e6),
    ("Bil", 1e9),
    ("Tri", 1e12),
    ("ns", 1e-9),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("mins", 60.0),
    ("hour", 3600.0),
    ("hours", 3600.0),
    ("day", 86_400.0),
    ("days", 86_400.0),
    ("week", 604_800.0),
    ("weeks", 604_800.0),
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("PB", 1e15),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("PiB", 1_125_899_906_842_624.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("Mb", 1e6),
    ("Gb", 1e9),
    ("Tb", 1e12),
    ("Hz", 1.0),
    ("kHz", 1e3),
    ("MHz", 1e6),
    ("GHz", 1e9),
    ("°C", 1.0),
    ("°F", 1.0),
];

/// Units of rates of counts; a prefix of [`SCALES`] may precede them (`1.2 K req/s`).
const RATES: &[&str] = &[
    "c/s", "ops/s", "req/s", "rps", "rd/s", "wr/s", "iops", "io/s", "eps", "mps", "p/s", "rows/s", "cps", "wps",
    "msg/s",
];

fn with_unit(text: &str) -> Option<f64> {
    let len = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).filter(|&len| len > 0)?;
    let (number, unit) = text.split_at(len);
    let (number, unit) = (number.parse::<f64>().ok()?, unit.trim());
    Some(number * scale(unit)?)
}

fn scale(unit: &str) -> Option<f64> {
    let of = |unit: &str| SCALES.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
    if let Some(scale) = of(unit) {
        return Some(scale);
    }
    if let Some(rate) = RATES.iter().find(|rate| unit.ends_with(**rate)) {
        let prefix = unit[..unit.len() - rate.len()].trim();
        return if prefix.is_empty() { Some(1.0) } else { of(prefix) };
    }
    // `MB/s`, `GiB/s`
    unit.strip_suffix("/s").and_then(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        match read(text) {
            Some(Number::Value(value)) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn numbers_and_units() {
        let check = |text: &str, expected: f64| {
            let found = value(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert!((found - expected).abs() <= expected.abs() * 1e-12, "{text}: {found}");
        };
        check(" 1.5 ", 1.5);
        check("-2e3", -2000.0);
        check("12.3%", 12.3);
        check("120 ms", 0.12);
        check("1.50 GiB", 1_610_612_736.0);
        check("3.4 K", 3400.0);
        check("1.2 Mil", 1.2e6);
        check("45 req/s", 45.0);
        check("1.2 K req/s", 1200.0);
        check("7 MB/s", 7e6);
        check("2 hours", 7200.0);
    }

    #[test]
    fn infinities_and_nan_are_values() {
        for text in ["Inf", "+Inf", "inf", "Infinity", "+infinity"] {
            assert_eq!(value(text), Some(f64::INFINITY), "{text}");
        }
        assert_eq!(value("-Inf"), Some(f64::NEG_INFINITY));
        assert!(value("NaN").unwrap().is_nan());
        for text in ["", "null", "NA", "None", "<NA>"] {
            assert_eq!(read(text), Some(Number::Missing), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_number() {
        for text in ["many", "1,5", "1.234,5", "12 apples", "1 2", "%", "0x10", "--1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
