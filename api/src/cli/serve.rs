//! `almanac serve`: runs the service.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    CliError, Global,
    store::{StoreArgs, given_token},
};
use crate::{
    access::Auth,
    config::Config,
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
    /// Address of OTLP over gRPC and of KEDA's external scaler; any but loopback requires a token [off]
    #[arg(long, value_name = "ADDRESS")]
    pub grpc_listen: Option<SocketAddr>,
    /// Address for clients of PostgreSQL; any but loopback requires a token and TLS [none]
    #[arg(long, value_name = "ADDRESS")]
    pub postgres_listen: Option<SocketAddr>,
    /// Token with every scope that callers must send; other users can read it in the list of processes
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// File with that token, instead of --token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl Args {
    /// Reads the configuration, applies the options to it, and builds the check of callers.
    ///
    /// # Errors
    /// A usage error for an invalid configuration or a missing token.
    pub fn settings(&self, global: &Global) -> Result<(Config, Auth), CliError> {
        let mut config = self.store.config()?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if self.grpc_listen.is_some() {
            config.grpc.listen = self.grpc_listen;
        }
        if self.postgres_listen.is_some() {
            config.postgres.listen = self.postgres_listen;
        }
        if global.is_flag("token") {
            crate::say!(
                "almanac: other users of this machine can read --token in the list of processes; use --token-file, ALMANAC_TOKEN \
                 or almanac token new"
            );
        }
        if let Some(token) = given_token(self.token.as_deref(), self.token_file.as_deref(), global)? {
            config.server.token = Some(token);
        }
        let auth = Auth::of_config(&config).map_err(|error| CliError::usage(CliError::from_error(&error)))?;
        Ok((config, auth))
    }
}

/// Runs the command.
///
/// # Errors
/// As [`Args::settings`]; a failure when the address cannot be bound or the store cannot be opened.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (config, auth) = args.settings(global)?;
    service::serve(config, auth, service::open_store).map_err(|error| match error {
        ServiceError::Config(error) => CliError::usage(CliError::from_error(&error)),
        other => CliError::from_error(&other),
    })
}
