//! `almanac replay`: what a recommendation would have done on recorded data.

pub mod scaling;
pub mod threshold;
pub mod ttl;

use crate::cli::{CliError, Global};

/// Options of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to replay.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be replayed.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Replicas, against reactive scaling and an oracle
    Scaling(scaling::Args),
    /// Times-to-live of caches, key by key
    Ttl(ttl::Args),
    /// Alert thresholds, against labelled incidents
    Threshold(threshold::Args),
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.command {
        Command::Scaling(args) => scaling::run(args, global),
        Command::Ttl(args) => ttl::run(args, global),
        Command::Threshold(args) => threshold::run(args, global),
    }
}
