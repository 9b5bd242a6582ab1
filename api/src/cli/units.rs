//! Warns about timestamps that seem to have another unit than milliseconds.

use std::path::Path;

use chrono::DateTime;

/// Epoch seconds of the years 2001 to 2100.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 1_000_000_000..4_102_444_800;
/// Smallest number, in milliseconds of the year 5138, that is more plausible as microseconds or nanoseconds.
const MIN_MICROSECONDS: i64 = 100_000_000_000_000;

/// Prints a warning on stderr when all timestamps of a file, from the oldest to the newest, look like epoch seconds or
/// microseconds. The timestamps are used as milliseconds all the same.
pub(super) fn warn_of_unit(path: &Path, (oldest_ms, newest_ms): (i64, i64)) {
    if let Some(warning) = unit_warning(oldest_ms, newest_ms) {
        crate::say!("almanac: {}: {warning}", path.display());
    }
}

/// Returns the warning, if there is reason for one.
fn unit_warning(oldest_ms: i64, newest_ms: i64) -> Option<String> {
    let day = |ms: i64| {
        DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |at| at.format("%Y-%m-%d").to_string())
    };
    let (unit, change) = if PLAUSIBLE_SECONDS.contains(&oldest_ms) && PLAUSIBLE_SECONDS.contains(&newest_ms) {
        ("seconds", "multiply them by 1000")
    } else if oldest_ms >= MIN_MICROSECONDS {
        ("microseconds or nanoseconds", "divide them")
    } else {
        return None;
    };
    Some(format!(
        "integer timestamps are read as epoch milliseconds, which gives times between {} and {}; if they are epoch {unit}, {change}",
        day(oldest_ms),
        day(newest_ms)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_units_are_detected() {
        let warning = unit_warning(1_767_225_600, 1_767_312_000).unwrap();
        assert!(
            warning.contains("between 1970-01-21 and 1970-01-21; if they are epoch seconds, multiply"),
            "{warning}"
        );
        assert!(unit_warning(1_767_225_600_000_000, 1_767_225_600_000_001).unwrap().contains("microseconds"));
        for (oldest, newest) in [(0, 60_000), (1_767_225_600_000, 1_767_312_000_000), (0, 1_767_225_600), (-5, 5)] {
            assert_eq!(unit_warning(oldest, newest), None, "{oldest} {newest}");
        }
    }
}
