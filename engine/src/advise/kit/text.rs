//! Text forms of instants and errors, as advisors write them.

use std::error::Error;

use chrono::{DateTime, SecondsFormat};

/// Formats an instant in RFC 3339, in UTC.
#[must_use]
pub fn rfc3339(timestamp_ms: i64) -> String {
    DateTime::from_timestamp_millis(timestamp_ms)
        .map_or_else(|| timestamp_ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Returns a share in percent, rounded to two decimals: `0.07` is `7`.
#[must_use]
pub fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 100.0
}

/// Formats an error and its causes in one line.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A transparent error repeats its source.
        let text = error.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}
