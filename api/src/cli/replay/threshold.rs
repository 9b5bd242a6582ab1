//! `almanac replay threshold`: what other alert thresholds would have done.

use crate::cli::{CliError, Global};

/// Options of `replay threshold`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Prometheus alerting rules
    #[arg(long, value_name = "RULES")]
    pub rules: std::path::PathBuf,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
