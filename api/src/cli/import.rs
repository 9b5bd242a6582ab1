//! `almanac import`: files into the store.

use super::{CliError, Global, PlaceArgs};

/// Options of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// CSV, Parquet, NDJSON or Prometheus text files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<std::path::PathBuf>,
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
