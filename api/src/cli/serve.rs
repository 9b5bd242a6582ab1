//! `almanac serve`: runs the service.

use std::net::SocketAddr;

use super::{CliError, Global, store::StoreArgs};
use crate::{
    http::Auth,
    service::{self, ServiceError},
};

/// Options of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address to listen on; any but loopback requires a token [127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Token that callers must send as `Authorization: Bearer …`
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// A usage error for an invalid configuration or a missing token; a failure when the address cannot be bound or the
/// store cannot be opened.
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    let mut config = args.store.config()?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(token) = args.token {
        if token.trim().is_empty() {
            return Err(CliError::usage("--token is empty; write a secret or leave it out"));
        }
        config.server.token = Some(token);
    }
    let auth =
        Auth::for_address(config.server.listen, config.server.token.as_deref()).map_err(|e| CliError::usage(&e))?;
    service::serve(config, auth, service::open_store).map_err(|error| match error {
        ServiceError::Config(error) => CliError::usage(CliError::from_error(&error)),
        other => CliError::from_error(&other),
    })
}
