//! `almanac demo`: real telemetry in, recommendations out, then a service.

use super::{CliError, Global};

/// Options of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Exit after the recommendations instead of serving
    #[arg(long)]
    pub once: bool,
    /// Address to serve on [127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<std::net::SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
