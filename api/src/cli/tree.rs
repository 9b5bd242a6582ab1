use std::{io::IsTerminal, process::ExitCode};

use clap::{
    ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser, error::ErrorKind,
};
use tracing_subscriber::EnvFilter;

use super::{
    CliError, Global, demo,
    files::{detect, forecast, replay},
    serve,
    store::{compact, delete, import, learn, recommend, sql},
};

/// Options that mean the same in every command; their variables are `ALMANAC_<OPTION>`.
const SHARED: [&str; 6] = ["db", "config", "url", "token", "listen", "log"];

/// Learns the metrics of running services and says what to change, with proof.
#[derive(Debug, Parser)]
#[command(name = "almanac", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter like almanac_engine=debug
    /// [serve, demo: info; others: warn]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Real telemetry in, recommendations out, then a service to look around in
    Demo(demo::Args),
    /// The service: ingest, scrape, learn on schedule, advise, answer
    Serve(serve::Args),
    /// CSV, Parquet, NDJSON or Prometheus text files into the store
    Import(import::Args),
    /// Fit every due signal now
    Learn(learn::Args),
    /// What is recommended now, and why
    Recommend(recommend::Args),
    /// Finish the compaction that is due and give space back
    Compact(compact::Args),
    /// Delete series, or a span of their samples
    Delete(delete::Args),
    /// Read-only SQL over a stopped store, or over a running service with --url
    Sql(sql::Args),
    /// Forecasts for the series of a file, no store needed
    Forecast(forecast::Args),
    /// Anomaly scores for the series of a file, no store needed
    Detect(detect::Args),
    /// What a recommendation would have done on recorded data
    Replay(replay::Args),
}

/// The tree of commands, every option with its environment variable.
#[must_use]
pub fn command() -> clap::Command {
    with_environment(Cli::command(), "")
}

/// Parses the process's arguments, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let global = Global::from_matches(&matches);
    let serves = matches!(cli.command, Command::Serve(_) | Command::Demo(_));
    let log = cli.log.as_deref().unwrap_or(if serves { "info" } else { "warn" });
    match start_logging(log).and_then(|()| run(cli.command, &global)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::ReaderGone) {
                eprintln!("almanac: {error}");
            }
            error.exit_code()
        }
    }
}

/// Prints help where it was asked for or nothing was; says in one line what is wrong with any other call.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Whoever reads help may have gone.
        let _ = error.print();
    } else {
        eprintln!("almanac: {}", in_one_line(&error.to_string()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What clap says before it repeats the usage.
fn in_one_line(text: &str) -> String {
    let told =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn run(command: Command, global: &Global) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(args, global),
        Command::Serve(args) => serve::run(args, global),
        Command::Import(args) => import::run(args, global),
        Command::Learn(args) => learn::run(args, global),
        Command::Recommend(args) => recommend::run(args, global),
        Command::Compact(args) => compact::run(args, global),
        Command::Delete(args) => delete::run(args, global),
        Command::Sql(args) => sql::run(args, global),
        Command::Forecast(args) => forecast::run(args, global),
        Command::Detect(args) => detect::run(args, global),
        Command::Replay(args) => replay::run(args, global),
    }
}

fn start_logging(filter: &str) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| CliError::usage(format!("--log {filter:?} is no log filter like info: {error}")))?;
    let coloured = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured).init();
    Ok(())
}

/// Gives each option of `command` and of those below it its variable: `ALMANAC_<OPTION>` for the shared
/// ones, `ALMANAC_<COMMAND>_<OPTION>` for the others.
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
            // Clap wants names that live as long as the program; the tree is made once or twice.
            let variable: &'static str = format!("ALMANAC_{command}{}", screaming(&long)).leak();
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

    /// The help of a command and of all below it.
    fn helps(command: &mut clap::Command, path: &str, out: &mut String) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        out.push_str(&format!("===== {path} =====\n{}\n", command.clone().term_width(100).render_long_help()));
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
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
    fn a_wrong_call_is_one_line() {
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
    fn wrong_calls_are_refused_with_what_would_be_right() {
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
