//! Parses and formats steps: durations such as `1h`, and calendar steps `1mo`, `1q`, `1y`.

use std::time::Duration;

use almanac_engine::calendar::Spacing;
use almanac_models::Step;

use crate::cli::CliError;

/// Parses a fixed step or a calendar step.
pub(super) fn parse_spacing(text: &str, flag: &str) -> Result<Spacing, CliError> {
    let wrong = || {
        CliError::usage(format!(
            "{flag} {text:?} is not a duration of at least 1 ms; write one like 1h or 30s, or a calendar step 1mo, 1q, 1y"
        ))
    };
    let trimmed = text.trim();
    let (count, unit) = trimmed.split_at(trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len()));
    let months = match unit.trim() {
        "mo" | "M" | "month" | "months" => Some(1),
        "q" | "Q" | "quarter" | "quarters" => Some(3),
        "y" | "yr" | "year" | "years" => Some(12),
        _ => None,
    };
    if let Some(months) = months {
        // At most a thousand units, so that the product below cannot overflow.
        let count = count.parse().ok().filter(|count| (1..=1_000).contains(count));
        return count.map(|count: u32| Spacing::Months(count * months)).ok_or_else(wrong);
    }
    let duration: Duration = humantime::parse_duration(trimmed).map_err(|_| wrong())?;
    let millis = i64::try_from(duration.as_millis()).map_err(|_| wrong())?;
    Step::from_millis(millis).map(Spacing::Fixed).map_err(|_| wrong())
}

/// Parses a length of time; a calendar step gives its average length.
pub(super) fn parse_step(text: &str, flag: &str) -> Result<Step, CliError> {
    let spacing = parse_spacing(text, flag)?;
    spacing.step().ok_or_else(|| CliError::usage(format!("{flag} {text:?} is too long")))
}

/// Formats a calendar step; `None` for a fixed step.
pub(super) fn calendar_words(spacing: Spacing) -> Option<String> {
    let (count, unit) = match spacing {
        Spacing::Fixed(_) => return None,
        Spacing::Days(n) => (n, "day"),
        Spacing::Months(n) if n % 12 == 0 => (n / 12, "year"),
        Spacing::Months(3) => (1, "quarter"),
        Spacing::Months(n) => (n, "month"),
    };
    Some(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_parsed() {
        assert_eq!(parse_step("90s", "--step").unwrap().millis(), 90_000);
        assert_eq!(parse_step("1m", "--step").unwrap().millis(), 60_000);
        for (text, months) in [("1mo", 1), ("2M", 2), ("1q", 3), ("1 year", 12), ("1y", 12)] {
            assert_eq!(parse_spacing(text, "--step").unwrap(), Spacing::Months(months), "{text}");
        }
        // A season of a year is a whole number of months.
        let (year, month) = (parse_step("1y", "--seasons").unwrap(), parse_step("1mo", "--step").unwrap());
        assert_eq!((year.millis() % month.millis(), year.millis() / month.millis()), (0, 12));
        for wrong in ["", "x", "0s", "-1h", "1ns", "0mo", "mo", "99999999999y"] {
            assert!(parse_spacing(wrong, "--step").is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_formatted() {
        let written = [1, 3, 12, 24, 2].map(|n| calendar_words(Spacing::Months(n)).unwrap());
        assert_eq!(written, ["1 month", "1 quarter", "1 year", "2 years", "2 months"]);
    }
}
