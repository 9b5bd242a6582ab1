//! Where a command works: a store that it opens, or a running service.

use std::path::{Path, PathBuf};

use almanac_engine::store::Store;
use almanac_models::Timestamp;

use crate::{
    cli::{CliError, Global},
    config::Config,
    http::{iso, now},
};

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

/// Refuses a store that does not exist: only `serve`, `demo` and `import` make one.
pub(super) fn existing(path: &Path) -> Result<(), CliError> {
    if path.exists() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "there is no store {}; name one with --db, or make one with almanac serve",
        path.display()
    )))
}

/// Age of the newest sample, in milliseconds, from which a stopped store counts as history.
const HISTORY_MS: i64 = 3_600_000;

/// The instant as of which a stopped store is learned and advised on: now, or that of its newest sample where it holds only
/// history. Samples that are stamped after now do not count; stderr has a line in both cases.
pub(super) fn as_of(store: &Store) -> Timestamp {
    let now = now();
    let newest = match store.newest_until(now) {
        Ok(newest) => newest,
        Err(error) => {
            // What learns or advises next reads the same store and fails with the same reason.
            eprintln!("almanac: the newest sample is not known: {}", crate::chain(&error));
            return now;
        }
    };
    if let Some(ahead) = store.newest().filter(|&ahead| ahead > now) {
        eprintln!(
            "almanac: some samples are stamped after now, the newest {}; they are not used. See which with almanac sql \"SELECT \
             series, min(timestamp), count(*) FROM samples JOIN series USING (series_id) WHERE timestamp > now() GROUP BY ALL\", \
             remove them with almanac delete --match SELECTOR --from now",
            iso(ahead.millis())
        );
    }
    match newest {
        Some(newest) if newest.millis() < now.millis().saturating_sub(HISTORY_MS) => {
            eprintln!("almanac: the newest sample is of {}; everything is seen as of then", iso(newest.millis()));
            newest
        }
        _ => now,
    }
}
