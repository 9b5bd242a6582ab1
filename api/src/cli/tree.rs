//! Defines the commands and their environment variables, parses the arguments and runs the command.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use almanac_engine::advise::Registry;
use clap::{
    ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser, error::ErrorKind,
};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        MakeWriter, SubscriberBuilder,
        format::{DefaultFields, Format},
    },
};

use super::{
    CliError, Global, demo,
    describe::{check_config, completions, man},
    files::{detect, forecast, replay, review},
    grafana, serve,
    store::{backup, check, compact, delete, export, import, learn, recommend, repair, restore, sql},
    token, verify, worker,
};
use crate::say::QuietStderr;

/// Time that the last line on stderr may take when nobody reads it.
const LAST_LINE_WAIT: Duration = Duration::from_secs(2);

/// Lines of the log that wait while stderr takes none; further ones are dropped.
const LOG_LINES: usize = 8_192;

/// Options with the same meaning in every command; their environment variables are `ALMANAC_<OPTION>`.
const SHARED: [&str; 9] = ["db", "config", "url", "token", "token-file", "ca", "listen", "log", "log-format"];

/// Learns the metrics of running services and recommends changes, each with evidence from a replay.
#[derive(Debug, Parser)]
#[command(name = "almanac", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Level of the log on stderr: error, warn, info, debug, trace, or a filter like almanac_engine=debug
    /// [serve, demo: info; others: warn]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Format of the log on stderr: lines of text, or a JSON object a line
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import recorded telemetry, print recommendations, then serve the result
    Demo(demo::Args),
    /// Run the service: ingest, scrape, learn, recommend, and serve queries
    Serve(serve::Args),
    /// Import CSV, Parquet, NDJSON or Prometheus text files into the store
    Import(import::Args),
    /// Write samples as Parquet, CSV or NDJSON files, one folder a day
    Export(export::Args),
    /// Fit every signal that is due, and score new values
    Learn(learn::Args),
    /// Print the current recommendations and their reasons
    Recommend(recommend::Args),
    /// Compact the store and release disk space
    Compact(compact::Args),
    /// Read everything in a stopped store, and name what is damaged
    Check(check::Args),
    /// Copy the store into a file, also while the service runs
    Backup(backup::Args),
    /// Make a new store of a backup
    Restore(restore::Args),
    /// Save what is sound in a damaged store into a new file
    Repair(repair::Args),
    /// Delete series, or their samples within a span
    Delete(delete::Args),
    /// Run read-only SQL on a stopped store, or on a running service with --url
    Sql(sql::Args),
    /// Make tokens for the service
    Token(token::Args),
    /// Check the configuration and say in plain words what each section does
    CheckConfig(serve::Args),
    /// Write data sources, dashboards and alerting rules for Grafana
    Grafana(grafana::Args),
    /// Forecast the series of a file, without a store
    Forecast(forecast::Args),
    /// Compute anomaly scores for the series of a file, without a store
    Detect(detect::Args),
    /// Compute what recommendations would have done on recorded data
    Replay(replay::Args),
    /// Review a PostgreSQL database from exported files, without a connection
    Review(review::Args),
    /// Measure a recommendation on a copy, before and after
    Verify(verify::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
    /// Write a man page for every command into a folder
    Man(man::Args),
    /// Run what callers send, away from the service
    #[command(hide = true)]
    Worker(worker::Args),
}

/// Returns the commands with the environment variable of every option.
#[must_use]
pub fn command() -> clap::Command {
    command_for(&Registry::default())
}

/// Returns the commands for the advisors in `registry`.
#[must_use]
pub fn command_for(registry: &Registry) -> clap::Command {
    let tree = Cli::command().mut_subcommand("recommend", |command| recommend::with_kinds(command, registry));
    with_environment(tree, "")
}

/// Keeps this process and its workers from huge pages. Memory that the allocator reserves but does not use would count as used with
/// them: a seventh of the service's, a fifth of the workers' in a soak.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    // Without the call memory is only larger.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Parses the process's arguments, runs the command and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    use_small_pages();
    let parsed = command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    if let Command::Worker(args) = &cli.command {
        return worker::run(args);
    }
    let global = Global::from_matches(&matches);
    let serves = matches!(cli.command, Command::Serve(_) | Command::Demo(_));
    let log = cli.log.as_deref().unwrap_or(if serves { "info" } else { "warn" });
    survive_file_limits();
    let result = start_logging(log, cli.log_format, serves).and_then(|log| {
        let result = run(cli.command, &global);
        // Writes the lines that wait.
        drop(log);
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::ReaderGone) {
                crate::say::last(&format!("almanac: {error}"), LAST_LINE_WAIT);
            }
            error.exit_code()
        }
    }
}

/// Prints the help if it was requested or if there are no arguments; otherwise prints the error in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // The reader of the help may have closed the pipe.
        let _ = error.print();
    } else {
        crate::say!("almanac: {}", in_one_line(&error.to_string()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Returns clap's message without the usage, in one line.
fn in_one_line(text: &str) -> String {
    let message =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = message.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn run(command: Command, global: &Global) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(args, global),
        Command::Serve(args) => serve::run(args, global),
        Command::Import(args) => import::run(args, global),
        Command::Export(args) => export::run(args, global),
        Command::Learn(args) => learn::run(args, global),
        Command::Recommend(args) => recommend::run(args, global),
        Command::Compact(args) => compact::run(args, global),
        Command::Check(args) => check::run(args, global),
        Command::Backup(args) => backup::run(args, global),
        Command::Restore(args) => restore::run(args, global),
        Command::Repair(args) => repair::run(args, global),
        Command::Delete(args) => delete::run(args, global),
        Command::Sql(args) => sql::run(args, global),
        Command::Token(args) => token::run(args, global),
        Command::CheckConfig(args) => check_config::run(args, global),
        Command::Completions(args) => completions::run(&args, &self::command()),
        Command::Man(args) => man::run(&args, &self::command()),
        Command::Grafana(args) => grafana::run(args, global),
        Command::Forecast(args) => forecast::run(args, global),
        Command::Detect(args) => detect::run(args, global),
        Command::Replay(args) => replay::run(args, global),
        Command::Review(args) => review::run(args, global),
        Command::Verify(args) => verify::run(args, global),
        Command::Worker(_) => Err(CliError::usage("almanac worker is started by the service")),
    }
}

/// Handles SIGXFSZ, so that a write beyond the limit on file sizes fails like one on a full disk and does not end the
/// process.
fn survive_file_limits() {
    #[cfg(unix)]
    {
        let seen = std::sync::Arc::default();
        let handled = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
        // The default action stays, which ends the process when a limit is set and reached.
        if let Err(error) = handled {
            crate::say!("almanac: the signal SIGXFSZ cannot be handled: {error}");
        }
    }
}

/// Starts the log on stderr. That of a service is written by a thread of its own, so that a full pipe stops nothing; the
/// lines that wait are written when the returned guard is dropped.
fn start_logging(filter: &str, format: LogFormat, serves: bool) -> Result<Option<WorkerGuard>, CliError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| CliError::usage(format!("--log {filter:?} is not a log filter like info: {error}")))?;
    let coloured = std::io::stderr().is_terminal();
    // Without `log_internal_errors`: it reports errors of stderr on stderr, and panics there.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).log_internal_errors(false);
    crate::say::as_json(format == LogFormat::Json);
    if !serves {
        init(log.with_writer(QuietStderr::default), format);
        return Ok(None);
    }
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LOG_LINES).lossy(true).finish(QuietStderr);
    init(log.with_writer(writer), format);
    Ok(Some(guard))
}

fn init<W>(log: SubscriberBuilder<DefaultFields, Format, EnvFilter, W>, format: LogFormat)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => log.init(),
        // Lines of a request are in its span, which has the id.
        LogFormat::Json => log.json().with_current_span(true).with_span_list(false).init(),
    }
}

/// Adds the environment variable of each option, also in subcommands: `ALMANAC_<OPTION>` for the shared options,
/// `ALMANAC_<COMMAND>_<OPTION>` for the others.
fn with_environment(command: clap::Command, path: &str) -> clap::Command {
    let path = path.to_owned();
    let prefix = path.clone();
    command
        .mut_args(move |arg| {
            let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
            if long == "help" || long == "version" {
                return arg;
            }
            let command = if SHARED.contains(&long.as_str()) { "" } else { prefix.as_str() };
            // Clap requires `'static` names. The leak is bounded: the commands are built once or twice.
            let variable: &'static str = format!("ALMANAC_{command}{}", screaming(&long)).leak();
            // So that a variable with "0" or "false" leaves a switch off.
            let arg = if matches!(arg.get_action(), ArgAction::SetTrue) {
                arg.value_parser(FalseyValueParser::new())
            } else {
                arg
            };
            arg.env(variable).hide_env_values(true)
        })
        .mut_subcommands(move |inner| {
            let name = format!("{path}{}_", screaming(inner.get_name()));
            with_environment(inner, &name)
        })
}

fn screaming(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends the help of a command and of its subcommands.
    fn helps(command: &mut clap::Command, path: &str, out: &mut String) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        out.push_str(&format!("===== {path} =====\n{}\n", command.clone().term_width(100).render_long_help()));
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
            helps(inner, &path, out);
        }
    }

    #[test]
    fn help_names_every_option_and_its_variable() {
        let mut command = command();
        command.build();
        let mut out = String::new();
        helps(&mut command, "", &mut out);
        insta::assert_snapshot!("help", out);
        for variable in ["ALMANAC_DB", "ALMANAC_TOKEN", "ALMANAC_LOG", "ALMANAC_SQL_FORMAT", "ALMANAC_DEMO_ONCE"] {
            assert!(out.contains(&format!("[env: {variable}]")), "{variable}");
        }
    }

    #[test]
    fn an_error_is_one_line() {
        let check = |args: &[&str], expected: &str| {
            let error = command().try_get_matches_from(args).unwrap_err();
            assert_eq!(in_one_line(&error.to_string()), expected);
        };
        check(
            &["almanac", "forecast", "load.csv"],
            "the following required arguments were not provided: --horizon <STEPS>",
        );
        check(&["almanac", "serv"], "unrecognized subcommand 'serv' tip: a similar subcommand exists: 'serve'");
    }

    #[test]
    fn errors_name_the_valid_arguments() {
        let check = |args: &[&str], part: &str| {
            let error = command().try_get_matches_from(args).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{args:?}");
            let text = error.to_string();
            assert!(text.contains(part), "{args:?}: {text}");
        };
        check(&["almanac", "serv"], "'serve'");
        check(&["almanac", "serve", "--listn", "x"], "'--listen'");
        check(&["almanac", "serve", "--listen", "here"], "invalid socket address");
        check(&["almanac", "sql", "SELECT 1", "--format", "xml"], "table, csv, json, arrow, parquet");
        check(&["almanac", "sql"], "<SELECT>");
        check(&["almanac", "replay"], "scaling");
    }
}
