//! `almanac detect`: anomaly scores for the series of a file.

use super::{CliError, Global};

/// Options of `detect`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Learn up to this timestamp only
    #[arg(long, value_name = "TS", conflicts_with = "train_fraction")]
    pub train_until: Option<String>,
    /// Learn on this first share of the rows only
    #[arg(long, value_name = "F")]
    pub train_fraction: Option<f64>,
    /// Let a row's score depend on later rows
    #[arg(long)]
    pub offline: bool,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
