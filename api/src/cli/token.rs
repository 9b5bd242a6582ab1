//! `almanac token new`: makes a token, prints it once, and stores its hash.

use std::io::Write;

use super::{CliError, Global, output, store::StoreArgs};
use crate::{
    access::{Limits, NewToken, Scopes, append_token},
    http::{iso, now},
};

/// Options of `token`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do with tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// Commands on tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TokenCommand {
    /// Make a token, print it once, and append its hash to the tokens file
    New(NewArgs),
}

/// Options of `token new`.
#[derive(Debug, Clone, clap::Args)]
pub struct NewArgs {
    /// What the token permits, separated by commas: ingest, read, sql, act, admin
    #[arg(long, value_name = "SCOPES", required = true)]
    pub scope: Scopes,
    /// Name of the token in the audit and as the actor of changes [its id]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Requests per second of this token [server.token_rate]
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Simultaneous requests of this token [server.token_concurrency]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Store and configuration; the tokens file is beside the store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Runs the command.
///
/// # Errors
/// A usage error for an invalid configuration, name or limit; a failure when the file cannot be written.
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    let TokenCommand::New(args) = args.command;
    let config = args.store.config()?;
    let path = config.tokens_file();
    let limits = Limits { rate: args.rate, concurrency: args.concurrency };
    limits.check().map_err(CliError::usage)?;
    let new = NewToken { name: args.name, scopes: args.scope, limits, created: iso(now().millis()) };
    let (token, name) = append_token(&path, &new).map_err(|error| CliError::from_error(&error))?;
    let mut out = output::stdout();
    writeln!(out, "{token}")?;
    out.flush()?;
    crate::say!(
        "almanac: token {name:?} with the scopes {} was added to {}; it is not shown again. The service accepts it within five \
         seconds, and requires a token from then on.",
        new.scopes,
        path.display()
    );
    Ok(())
}
