//! `almanac verify database`: before and after, measured on a copy of a PostgreSQL database.

use std::{path::PathBuf, time::Duration};

use almanac_engine::advise::database::verify::{Report, Subject};

use super::{print, source};
use crate::{
    cli::{
        CliError, Global,
        files::replay::duration,
        interrupt::signalled,
        store::{BackendArgs, recommend::Format},
    },
    database::{
        Address,
        verify::{Checks, MAX_BYTES, Options, VerifyError, check, make_copy, verify},
    },
};

/// Options of `verify`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be measured.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Recommended indexes of a PostgreSQL database, on a copy of it
    Database(Database),
}

/// Options of `verify database`.
#[derive(Debug, Clone, clap::Args)]
pub struct Database {
    /// Id of a recommendation, name of a database, or all
    #[arg(value_name = "ID", default_value = "all")]
    pub id: String,
    /// Address of the copy, which is changed while it is measured [copy of the section [[database]]]
    #[arg(long, value_name = "URL")]
    pub copy: Option<String>,
    /// JSON of almanac review database, in place of a store
    #[arg(long, value_name = "FILE")]
    pub review: Option<PathBuf>,
    /// Address of the original, which must be another database [the section [[database]]]
    #[arg(long, value_name = "URL")]
    pub original: Option<String>,
    /// The server's log or plans as JSON; statements are run with the values in it
    #[arg(long, value_name = "FILE")]
    pub plans: Option<PathBuf>,
    /// Time to measure a recommendation, in seconds, without building its index
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub seconds: f64,
    /// Longest time of one statement
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub statement_timeout: Duration,
    /// Most statements of a recommendation
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub statements: usize,
    /// Seed of the values and of the order of rounds
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Leave what is confirmed in the copy
    #[arg(long)]
    pub keep: bool,
    /// Accept a copy on the server of the original
    #[arg(long)]
    pub allow_same_server: bool,
    /// Accept a copy to which other sessions are connected
    #[arg(long)]
    pub allow_other_sessions: bool,
    /// Make the copy first, with `pg_dump` and `pg_restore`; its database must not exist
    #[arg(long)]
    pub make_copy: bool,
    /// Largest original that is copied, in GiB [2]
    #[arg(long, value_name = "GIB")]
    pub max_size: Option<u32>,
    /// Output format: table, json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Store or service with the recommendation.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// A measured recommendation, or why it was not measured.
pub(super) type Measured = (Subject, Result<Report, VerifyError>);

/// Runs the command.
///
/// # Errors
/// [`CliError::NotMet`] when a recommendation is not confirmed; see [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Command::Database(args) = args.command;
    if !(args.seconds >= 1.0 && args.seconds <= 86_400.0) {
        return Err(CliError::usage(format!("--seconds {} is not between 1 and 86400", args.seconds)));
    }
    if args.statements == 0 || args.statement_timeout.as_millis() == 0 {
        return Err(CliError::usage("--statements must be above 0, and --statement-timeout at least 1 ms"));
    }
    if args.max_size.is_some() && !args.make_copy {
        return Err(CliError::usage("--max-size needs --make-copy"));
    }
    let mut source = source::read(&args, global)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(&args, &source));
    // The store is closed whatever happened.
    let recorded = measured.and_then(|measured| source.record(&measured).map(|()| measured));
    source.close()?;
    let measured = recorded?;
    print::print(&measured, args.format)?;
    conclude(&measured)
}

async fn measure(args: &Database, source: &source::Source) -> Result<Vec<Measured>, CliError> {
    let failed = |error: VerifyError| CliError::from_error(&error);
    let copy = match &args.copy {
        Some(text) => Address::parse(text, "--copy").map_err(|error| CliError::usage(&error))?,
        None => source.copy()?,
    };
    let original = match &args.original {
        Some(text) => Some(Address::parse(text, "--original").map_err(|error| CliError::usage(&error))?),
        None => source.original()?,
    };
    if args.make_copy {
        let original = original.as_ref().ok_or_else(|| {
            CliError::usage("--make-copy needs the address of the original: --original, or the section [[database]]")
        })?;
        let most = args.max_size.map_or(MAX_BYTES, |gib| u64::from(gib) << 30);
        make_copy(original, &copy, most, args.allow_same_server, interrupted()).await.map_err(failed)?;
    }
    if original.is_none() {
        crate::say!(
            "almanac: the address of the original is not known, so that it is not checked that the copy is another database; give \
             --original URL"
        );
    }
    let checks = Checks { allow_same_server: args.allow_same_server, allow_other_sessions: args.allow_other_sessions };
    let options = Options {
        seconds: args.seconds,
        statement_timeout: args.statement_timeout,
        statements: args.statements,
        keep: args.keep,
        seed: args.seed,
        known: source.known.clone(),
    };
    let mut measured = Vec::new();
    for (idx, subject) in source.subjects.iter().enumerate() {
        crate::say!("almanac: {} of {}: {}", idx + 1, source.subjects.len(), subject.id);
        // Each time, since an application may have connected since.
        let result = match check(&copy, original.as_ref(), checks).await {
            Ok(()) => verify(&copy, subject, &options, interrupted()).await,
            Err(error) if idx == 0 => return Err(failed(error)),
            Err(error) => Err(error),
        };
        if let Err(error @ (VerifyError::Interrupted | VerifyError::Left { .. })) = result {
            return Err(failed(error));
        }
        measured.push((subject.clone(), result));
    }
    Ok(measured)
}

async fn interrupted() {
    let _ = signalled().await;
}

fn conclude(measured: &[Measured]) -> Result<(), CliError> {
    let failures: Vec<String> = measured
        .iter()
        .filter_map(|(subject, result)| Some(format!("{}: {}", subject.id, result.as_ref().err()?)))
        .collect();
    if let Some(first) = failures.first() {
        let further = if failures.len() > 1 { format!(" (and {} more)", failures.len() - 1) } else { String::new() };
        return Err(CliError::failed(format!("{first}{further}")));
    }
    let is_not = |result: &&Measured| result.1.as_ref().is_ok_and(|report| !report.conclusion.confirmed);
    match measured.iter().filter(is_not).count() {
        0 => Ok(()),
        count => Err(CliError::NotMet(format!("{count} of {} recommendations are not confirmed", measured.len()))),
    }
}
