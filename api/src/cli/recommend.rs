//! `almanac recommend`: what is recommended now, and why.

use super::{CliError, Global, PlaceArgs};

/// Options of `recommend`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only recommendations of this kind: scaling, ttl or threshold
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// How to print them: table, json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
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
