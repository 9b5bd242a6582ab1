//! Steps as one writes them.

use std::time::Duration;

use almanac_models::Step;

use crate::cli::CliError;

/// A step written as a duration such as `1h`.
pub(super) fn parse_step(text: &str, flag: &str) -> Result<Step, CliError> {
    let wrong = || CliError::usage(format!("{flag} {text:?} is no duration of 1 ms or more; write one like 1h or 30s"));
    let duration: Duration = humantime::parse_duration(text.trim()).map_err(|_| wrong())?;
    let millis = i64::try_from(duration.as_millis()).map_err(|_| wrong())?;
    Step::from_millis(millis).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        assert_eq!(parse_step("90s", "--step").unwrap().millis(), 90_000);
        for wrong in ["", "x", "0s", "-1h", "1ns"] {
            assert!(parse_step(wrong, "--step").is_err(), "{wrong}");
        }
    }
}
