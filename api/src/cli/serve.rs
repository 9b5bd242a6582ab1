//! `almanac serve`: the service.

use super::{CliError, Global, StoreArgs};

/// Options of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address to listen on; any but loopback needs a token [127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<std::net::SocketAddr>,
    /// Token that callers must send as `Authorization: Bearer …`
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    Err(CliError::failed(format!("not yet built: {args:?}")))
}
