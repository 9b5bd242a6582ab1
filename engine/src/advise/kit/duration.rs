//! Durations as text (`15s`, `5m`, `1h 30m`), deserialized into milliseconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Parses a duration such as `5m` into milliseconds. Rejects 0.
///
/// # Errors
/// A message that names the text and a valid form.
fn parse(text: &str) -> Result<i64, String> {
    let span = humantime::parse_duration(text.trim())
        .map_err(|error| format!("{text:?} is not a duration like 15s, 5m or 30d: {error}"))?;
    if span.is_zero() {
        return Err(format!("{text:?} is zero; write a duration like 15s, 5m or 30d"));
    }
    Ok(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// Reads a duration from a configuration's value. A number is the usual mistake: it has no unit.
fn of_value(value: &serde_json::Value) -> Result<i64, String> {
    match value {
        serde_json::Value::String(text) => parse(text),
        serde_json::Value::Number(number) => {
            Err(format!("{number} has no unit; write a duration in quotes, such as \"{number}s\" or \"{number}ms\""))
        }
        other => Err(format!("{other} is no duration; write a text like \"15s\", \"5m\" or \"30d\"")),
    }
}

/// Formats milliseconds as the configuration writes them, such as `1h 30m` or `400d`.
#[must_use]
pub fn duration_text(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    if ms >= DAY_MS && ms % DAY_MS == 0 {
        return format!("{}d", ms / DAY_MS);
    }
    humantime::format_duration(Duration::from_millis(u64::try_from(ms).unwrap_or(0))).to_string()
}

/// For `#[serde(deserialize_with)]`: a duration in milliseconds.
///
/// # Errors
/// The deserializer's error for text that is not a duration.
pub fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    of_value(&serde_json::Value::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// For `#[serde(deserialize_with)]`: an optional duration.
///
/// # Errors
/// As [`millis`].
pub fn optional_millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    millis(deserializer).map(Some)
}

/// For `#[serde(deserialize_with)]`: a list of durations.
///
/// # Errors
/// As [`millis`].
pub fn millis_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    values.iter().map(|value| of_value(value).map_err(de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{duration_text, of_value, parse};

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["15s", "5m", "1h 30m", "1d", "400d", "250ms"] {
            assert_eq!(duration_text(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_named() {
        assert_eq!(of_value(&json!("50ms")), Ok(50));
        assert!(
            of_value(&json!(50)).unwrap_err().contains("50 has no unit; write a duration in quotes, such as \"50s\"")
        );
        assert!(of_value(&json!(["5m"])).unwrap_err().contains("is no duration"));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [("15s", 15_000), (" 5m ", 300_000), ("1h 30m", 5_400_000), ("30d", 2_592_000_000)] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
        for text in ["", "5", "0s", "30 moons", "-1s"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
