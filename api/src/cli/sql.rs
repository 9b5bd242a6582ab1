//! `almanac sql`: read-only SQL.

use super::{CliError, Global, PlaceArgs};

/// Options of `sql`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One SELECT statement
    #[arg(value_name = "SELECT")]
    pub sql: String,
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
