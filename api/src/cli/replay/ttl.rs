//! `almanac replay ttl`: what other times-to-live would have done.

use crate::cli::{CliError, Global};

/// Options of `replay ttl`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Event file, CSV or Parquet
    #[arg(value_name = "EVENTS")]
    pub events: std::path::PathBuf,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
