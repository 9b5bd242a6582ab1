//! A word about timestamps that look like another unit than the one they are read in.

use std::path::Path;

use chrono::DateTime;

/// Epoch seconds of the years 2001 to 2100, read as milliseconds.
const SECONDS: std::ops::Range<i64> = 1_000_000_000..4_102_444_800;
/// From here on, the year 5138, milliseconds are not plausible and microseconds or nanoseconds are.
const MICROSECONDS: i64 = 100_000_000_000_000;

/// Says on stderr when all timestamps of a file, from the oldest to the newest, look like epoch seconds or microseconds. They
/// are taken all the same: any time is a time.
pub(super) fn warn_of_unit(path: &Path, (oldest_ms, newest_ms): (i64, i64)) {
    if let Some(words) = doubt(oldest_ms, newest_ms) {
        eprintln!("almanac: {}: {words}", path.display());
    }
}

fn doubt(oldest_ms: i64, newest_ms: i64) -> Option<String> {
    let day = |ms: i64| {
        DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |at| at.format("%Y-%m-%d").to_string())
    };
    let (unit, change) = if SECONDS.contains(&oldest_ms) && SECONDS.contains(&newest_ms) {
        ("seconds", "multiply them by 1000")
    } else if oldest_ms >= MICROSECONDS {
        ("microseconds or nanoseconds", "divide them")
    } else {
        return None;
    };
    Some(format!(
        "integer timestamps are read as epoch milliseconds and lie between {} and {}; if they are epoch {unit}, {change}",
        day(oldest_ms),
        day(newest_ms)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_units_are_suspected() {
        let words = doubt(1_767_225_600, 1_767_312_000).unwrap();
        assert!(words.contains("between 1970-01-21 and 1970-01-21; if they are epoch seconds, multiply"), "{words}");
        assert!(doubt(1_767_225_600_000_000, 1_767_225_600_000_001).unwrap().contains("microseconds"));
        for (oldest, newest) in [(0, 60_000), (1_767_225_600_000, 1_767_312_000_000), (0, 1_767_225_600), (-5, 5)] {
            assert_eq!(doubt(oldest, newest), None, "{oldest} {newest}");
        }
    }
}
