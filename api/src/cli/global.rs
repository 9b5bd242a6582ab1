use std::{
    collections::HashSet,
    io::{IsTerminal, stderr},
    path::{Path, PathBuf},
};

use clap::{ArgMatches, parser::ValueSource};

use super::CliError;
use crate::config::Config;

/// What every command may know of the call.
#[derive(Debug, Clone, Default)]
pub struct Global {
    flags: HashSet<String>,
    progress: bool,
}

impl Global {
    /// Reads off which options stand on the command line itself and whether stderr is a terminal.
    #[must_use]
    pub fn from_matches(matches: &ArgMatches) -> Self {
        let mut flags = HashSet::new();
        let mut level = Some(matches);
        while let Some(matches) = level {
            for id in matches.ids() {
                if matches.value_source(id.as_str()) == Some(ValueSource::CommandLine) {
                    flags.insert(id.to_string());
                }
            }
            level = matches.subcommand().map(|(_, inner)| inner);
        }
        Self { flags, progress: stderr().is_terminal() }
    }

    /// Whether the option stands on the command line, and does not come from the environment.
    #[must_use]
    pub fn is_flag(&self, id: &str) -> bool {
        self.flags.contains(id)
    }

    /// Whether progress bars may be drawn: stderr is a terminal.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.progress
    }
}

/// Options of commands that open the store themselves.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// The store's file [almanac.duckdb]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// The configuration file [almanac.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl StoreArgs {
    /// The configuration, with the options laid over it.
    ///
    /// # Errors
    /// A wrong configuration file, as a usage error that names its line.
    pub fn config(&self) -> Result<Config, CliError> {
        let mut config = match &self.config {
            Some(path) => Config::read(path).map_err(|e| CliError::usage(CliError::from_error(&e)))?,
            None if Path::new(Config::DEFAULT_FILE).exists() => {
                Config::read(Path::new(Config::DEFAULT_FILE)).map_err(|e| CliError::usage(CliError::from_error(&e)))?
            }
            None => Config::default(),
        };
        if let Some(db) = &self.db {
            config.store.path.clone_from(db);
        }
        Ok(config)
    }
}

/// Options of commands that work on a store or ask a running service.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlaceArgs {
    /// The store and its configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// A running service, instead of a store
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The running service's token
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// Where a command does its work.
#[derive(Debug, Clone)]
pub enum Place {
    /// A store that no other process has open.
    Store(Box<Config>),
    /// A running service.
    Service {
        /// Its address without a slash at the end.
        url: String,
        /// The token to send, if there is one.
        token: Option<String>,
    },
}

impl PlaceArgs {
    /// Chooses between store and service: a flag wins over the environment, and `--url` over `--db`'s
    /// variable and the configuration.
    ///
    /// # Errors
    /// Both `--db` and `--url` on the command line; an address that is no URL; a wrong configuration file.
    pub fn place(&self, global: &Global) -> Result<Place, CliError> {
        let (db_flag, url_flag) = (global.is_flag("db"), global.is_flag("url"));
        if db_flag && url_flag {
            return Err(CliError::usage(
                "--db and --url exclude each other: give a stopped store or a running service",
            ));
        }
        if global.is_flag("token") && (self.url.is_none() || db_flag) {
            return Err(CliError::usage("--token goes with --url; a store of one's own needs none"));
        }
        match &self.url {
            Some(url) if !db_flag => {
                if !(url.starts_with("http://") || url.starts_with("https://")) {
                    return Err(CliError::usage(format!("--url {url:?} is no address like http://127.0.0.1:9797")));
                }
                Ok(Place::Service { url: url.trim_end_matches('/').to_owned(), token: self.token.clone() })
            }
            _ => Ok(Place::Store(Box::new(self.store.config()?))),
        }
    }
}
