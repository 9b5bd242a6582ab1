//! `almanac replay`: what a recommendation would have done on recorded data.

pub mod rightsizing;
pub mod scaling;
pub mod threshold;
pub mod ttl;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

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
    /// Requests of CPU or memory, against the rules of VPA and KRR
    Rightsizing(rightsizing::Args),
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
        Command::Rightsizing(args) => rightsizing::run(args, global),
        Command::Ttl(args) => ttl::run(args, global),
        Command::Threshold(args) => threshold::run(args, global),
    }
}

fn rfc3339(timestamp_ms: i64) -> String {
    DateTime::from_timestamp_millis(timestamp_ms)
        .map_or_else(|| timestamp_ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|error| format!("{text:?} is no duration like 180s, 5m or 7d: {error}"))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
