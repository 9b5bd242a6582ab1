//! Writes numbers, spans and times as people read them.

use almanac_models::Timestamp;
use chrono::DateTime;

/// Returns a value with its unit: `1` is a share, written in percent; `s`, `ms` and `bytes` get a fitting multiple.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match unit {
        "1" | "" if unit == "1" && value.abs() <= 1.5 => format!("{} %", digits(value * 100.0)),
        "1" | "" => digits(value),
        "s" => span(value),
        "ms" => span(value / 1000.0),
        "bytes" => bytes(value),
        unit => match unit.strip_prefix("1/") {
            Some(per) => format!("{} a {per}", digits(value)),
            None => format!("{} {unit}", digits(value)),
        },
    }
}

/// Returns a number with three significant digits, or all digits of a whole part.
pub(super) fn digits(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e12).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = match size {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        size if size >= 0.09995 => 3,
        size if size >= 0.009_995 => 4,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    grouped(if text == "-0" { "0" } else { text })
}

/// Returns a length of time in seconds as `1.5 h`.
pub(super) fn span(seconds: f64) -> String {
    let size = seconds.abs();
    let (divisor, unit) = match size {
        size if size > 0.0 && size < 1.0 => (0.001, "ms"),
        size if size < 120.0 => (1.0, "s"),
        size if size < 7_200.0 => (60.0, "min"),
        size if size < 172_800.0 => (3_600.0, "h"),
        _ => (86_400.0, "d"),
    };
    format!("{} {unit}", digits(seconds / divisor))
}

/// Returns a size as `1.5 MiB`.
pub(super) fn bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return format!("{} {unit}", digits(value));
        }
        value /= 1024.0;
    }
    format!("{} TiB", digits(value))
}

/// Returns a time in UTC as `2026-01-01 08:00`; the page's script shows it in the reader's zone.
pub(super) fn time(at: Timestamp) -> String {
    DateTime::from_timestamp_millis(at.millis())
        .map_or_else(|| "–".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}

/// Returns a key of JSON as words: `under_provisioned_share` becomes `under provisioned share`.
pub(super) fn words(key: &str) -> String {
    key.replace('_', " ")
}

/// Returns a text as a sentence, with one full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    // A percent sign stays with its number.
    let text = text.trim().replace(" %", "\u{a0}%");
    if text.ends_with(['.', '!', '?']) || text.is_empty() { text } else { format!("{text}.") }
}

/// Returns a name with its first letter as a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Separates groups of three digits of the whole part by narrow spaces, from five digits on.
fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (idx, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && idx > 0 && (whole.len() - idx).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_their_unit() {
        for (value, unit, expected) in [
            (0.559_066, "1", "55.9 %"),
            (0.004_761_9, "1", "0.476 %"),
            (1.0, "1", "100 %"),
            (0.0, "1", "0 %"),
            (12.0, "1", "12"),
            (3600.0, "s", "60 min"),
            (12.5, "s", "12.5 s"),
            (0.139, "s", "139 ms"),
            (1_209_600.0, "s", "14 d"),
            (90.0, "ms", "90 ms"),
            (112_197_632.0, "bytes", "107 MiB"),
            (8.0, "1/week", "8 a week"),
            (189_056.0, "reads/day", "189\u{202f}056 reads/day"),
            (-0.25, "requests/s", "−0.25 requests/s"),
            (2e-7, "requests/s", "2.00e-7 requests/s"),
            (f64::NAN, "s", "–"),
        ] {
            assert_eq!(quantity(value, unit), expected, "{value} {unit}");
        }
    }

    #[test]
    fn times_and_words_are_readable() {
        assert_eq!(time(Timestamp::from_millis(1_767_225_600_000)), "2026-01-01 00:00");
        assert_eq!(words("under_provisioned_share"), "under provisioned share");
        assert_eq!(capital("ttl"), "Ttl");
        assert_eq!(capital(""), "");
    }
}
