//! `almanac forecast`: forecasts for the series of a file.

use super::{CliError, Global};

/// Options of `forecast`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Steps ahead
    #[arg(long, value_name = "STEPS")]
    pub horizon: usize,
    /// Distance between points, like 1h [inferred]
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// Seasons: auto, or lengths like 1d,1w
    #[arg(long, value_name = "SEASONS", default_value = "auto")]
    pub seasons: String,
    /// Levels of the intervals in percent
    #[arg(long, value_name = "PERCENT", default_value = "80,95")]
    pub level: String,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
