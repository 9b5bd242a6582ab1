use std::{io::IsTerminal, process::ExitCode};

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser};
use tracing_subscriber::EnvFilter;

use super::{CliError, Global, compact, demo, detect, forecast, import, learn, recommend, replay, serve, sql};

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
    // Clap prints its own errors and ends with 2 when the call was wrong, 0 after --help.
    let matches = command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
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

fn run(command: Command, global: &Global) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(args, global),
        Command::Serve(args) => serve::run(args, global),
        Command::Import(args) => import::run(args, global),
        Command::Learn(args) => learn::run(args, global),
        Command::Recommend(args) => recommend::run(args, global),
        Command::Compact(args) => compact::run(args, global),
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
