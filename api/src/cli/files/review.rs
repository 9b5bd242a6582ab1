//! `almanac review`: advises on a database from files that a person exported from it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::{
    advise::{
        Verdict, VerdictOutcome,
        database::{DatabaseSpec, exported, review_database},
    },
    database::{
        export::{ExportError, read_plans, read_schema, read_statements},
        memory::bytes,
    },
};
use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::replay::duration;
use crate::{
    cli::{
        CliError, Global,
        store::recommend::{Advised, Format, print},
    },
    http::recommendations::RecommendationBody,
};

/// Largest file that is read, in bytes.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Options of `review`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to review.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be reviewed.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Indexes, statements and settings of a PostgreSQL database
    Database(Database),
}

/// Options of `review database`.
#[derive(Debug, Clone, clap::Args)]
pub struct Database {
    /// Export of `pg_stat_statements`, CSV with a header or JSON
    #[arg(long, value_name = "FILE")]
    pub statements: PathBuf,
    /// Output of docs/advisors/database-export.sql, or of `pg_dump --schema-only`
    #[arg(long, value_name = "FILE")]
    pub schema: PathBuf,
    /// Plans as JSON, or the server's log with `auto_explain`
    #[arg(long, value_name = "FILE")]
    pub plans: Option<PathBuf>,
    /// Time in which the counters of the statements were collected, like 7d [since the reset of the statistics]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub span: Option<std::time::Duration>,
    /// Span without a scan after which an index counts as unused
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30d")]
    pub unused_after: std::time::Duration,
    /// Memory of the server, like 16GB, which bounds `work_mem` [four times `shared_buffers`]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Name of the database in the output
    #[arg(long, value_name = "NAME", default_value = "database")]
    pub name: String,
    /// Output format: table, json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _: &Global) -> Result<(), CliError> {
    let Command::Database(args) = args.command;
    database(&args)
}

fn database(args: &Database) -> Result<(), CliError> {
    if args.span.is_some_and(|span| span.as_secs() < 1) {
        return Err(CliError::usage(
            "--span is below a second; it is the time in which the counters were collected, like 7d",
        ));
    }
    if args.unused_after.as_secs() < 1 {
        return Err(CliError::usage("--unused-after is below a second; every index would count as unused"));
    }
    let spec = DatabaseSpec {
        unused_after_ms: i64::try_from(args.unused_after.as_millis()).unwrap_or(i64::MAX),
        memory: args.memory.clone(),
        ..DatabaseSpec::new(args.name.as_str())
    };
    if let Some(memory) = args.memory.as_deref().filter(|text| bytes(text, 1.0).is_none()) {
        return Err(CliError::usage(format!("--memory is {memory:?}; write the memory of the server like 16GB")));
    }
    let failed = |error: ExportError| CliError::failed(error);
    let statements = read_statements(&shown(&args.statements), &read(&args.statements)?).map_err(failed)?;
    let schema = read_schema(&shown(&args.schema), &read(&args.schema)?).map_err(failed)?;
    // The person who runs the command owns the values in the files.
    let plans =
        args.plans.as_ref().map(|path| read_plans(&shown(path), &read(path)?, true).map_err(failed)).transpose()?;
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    let found = exported(statements, schema, plans, args.span.map(|span| span.as_secs_f64()), now);
    for note in &found.notes {
        crate::say!("almanac: {note}");
    }
    print(&advised(review_database(&spec, &found.facts, now))?, args.format)
}

fn advised(verdicts: Vec<Verdict>) -> Result<Advised, CliError> {
    let mut advised = Advised::default();
    for verdict in verdicts {
        let (kind, target) = (verdict.kind.to_string(), verdict.target);
        let other = |state: &str, reason: String, needs: Vec<String>| json!({"kind": kind, "target": target, "state": state, "reason": reason, "needs": needs, "recommendation": Value::Null});
        match verdict.outcome {
            VerdictOutcome::Propose(row) => {
                let body = serde_json::to_value(RecommendationBody::from(*row));
                advised.recommendations.push(body.map_err(|error| CliError::from_error(&error))?);
            }
            VerdictOutcome::Keep { reason } => advised.others.push(other("kept", reason, Vec::new())),
            VerdictOutcome::Lacks { needs } => {
                let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
                advised.others.push(other("lacks", needs.join("; "), needs));
            }
        }
    }
    Ok(advised)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > LARGEST {
        return Err(CliError::failed(format!(
            "{} has {} MiB; at most {} MiB are read",
            path.display(),
            length >> 20,
            LARGEST >> 20
        )));
    }
    fs::read(path).map_err(failed)
}
