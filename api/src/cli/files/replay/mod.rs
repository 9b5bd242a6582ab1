//! `almanac replay`: computes what recommendations would have done on recorded data.

pub mod rightsizing;
pub mod scaling;
pub mod threshold;
pub mod ttl;

use std::{io::Write, path::Path, time::Duration};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::cli::{CliError, Global, output};

/// Options of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Kind of recommendation to replay.
    #[command(subcommand)]
    pub command: Command,
}

/// Kinds of recommendation that can be replayed.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Replicas, compared with reactive scaling and an oracle
    Scaling(scaling::Args),
    /// Requests of CPU or memory, compared with the rules of VPA and KRR
    Rightsizing(rightsizing::Args),
    /// Times-to-live of caches, replayed key by key
    Ttl(ttl::Args),
    /// Alert thresholds, scored on labelled incidents
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

/// Fails if every series failed, with the reason of the first one.
///
/// `outcomes`: name of each series, and the reason of its failure if it failed.
fn some_replayed<'a>(
    file: &Path,
    outcomes: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
) -> Result<(), CliError> {
    match outcomes.clone().next() {
        Some((name, Some(reason))) if outcomes.clone().all(|(_, failed)| failed.is_some()) => {
            Err(CliError::failed(format!("{}: series {name:?}: {reason}", file.display())))
        }
        _ => Ok(()),
    }
}

fn print(report: &Value) -> Result<(), CliError> {
    let mut out = output::stdout();
    serde_json::to_writer_pretty(&mut out, report).map_err(std::io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

fn rfc3339(timestamp_ms: i64) -> String {
    DateTime::from_timestamp_millis(timestamp_ms)
        .map_or_else(|| timestamp_ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|error| format!("{text:?} is not a duration like 180s, 5m or 7d: {error}"))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
