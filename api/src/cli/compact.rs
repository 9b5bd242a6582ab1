//! `almanac compact`: finishes the compaction that is due and gives space back.

use super::{CliError, Global, PlaceArgs};

/// Options of `compact`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
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
