//! `almanac replay scaling`: what predictive scaling would have done.

use crate::cli::{CliError, Global};

/// Options of `replay scaling`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file of demand, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
