//! Chooses what a command works on: a store that it opens, or a running service.

use std::{
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::store::Store;
use almanac_models::Timestamp;

use crate::{
    cli::{CliError, Global},
    config::{Config, Secret},
    http::{iso, now},
};

/// Options of commands that open the store themselves.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// File of the store [almanac.duckdb]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Configuration file [almanac.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl StoreArgs {
    /// Reads the configuration and applies the options to it.
    ///
    /// # Errors
    /// A usage error for an invalid configuration file, which names the line.
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

/// Options of commands that work on a store or on a running service.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BackendArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// URL of a running service, used instead of a store
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Token of the running service; other users can read it in the list of processes
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// File with the token of the running service, instead of --token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates of your own authority, PEM, for a URL with https
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// A running service.
#[derive(Debug, Clone)]
pub struct ServiceAddress {
    /// Its URL without a trailing slash.
    pub url: String,
    /// The token to send, if there is one.
    pub token: Option<Secret>,
    /// File with further trusted certificates.
    pub ca: Option<PathBuf>,
}

/// What a command works on.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A store that no other process has open.
    Store(Box<Config>),
    /// A running service.
    Service(ServiceAddress),
}

impl BackendArgs {
    /// Chooses between store and service. Flags take precedence over the environment, and a URL over the variable of
    /// `--db` and the configuration.
    ///
    /// # Errors
    /// A usage error for both `--db` and `--url` on the command line, an invalid URL, or an invalid configuration file.
    pub fn backend(&self, global: &Global) -> Result<Backend, CliError> {
        let (db_flag, url_flag) = (global.is_flag("db"), global.is_flag("url"));
        if db_flag && url_flag {
            return Err(CliError::usage("--db and --url cannot be combined: use a stopped store or a running service"));
        }
        for option in ["token", "token_file", "ca"] {
            if global.is_flag(option) && (self.url.is_none() || db_flag) {
                let name = option.replace('_', "-");
                return Err(CliError::usage(format!("--{name} requires --url; a local store does not use it")));
            }
        }
        match &self.url {
            Some(url) if !db_flag => {
                if !(url.starts_with("http://") || url.starts_with("https://")) {
                    return Err(CliError::usage(format!("--url {url:?} is not a URL like http://127.0.0.1:9797")));
                }
                let token = given_token(self.token.as_deref(), self.token_file.as_deref(), global)?;
                Ok(Backend::Service(ServiceAddress {
                    url: url.trim_end_matches('/').to_owned(),
                    token,
                    ca: self.ca.clone(),
                }))
            }
            _ => Ok(Backend::Store(Box::new(self.store.config()?))),
        }
    }
}

/// Returns the token of `--token` or of the file of `--token-file`; a flag takes precedence over the environment.
///
/// # Errors
/// A usage error for both flags, an empty token, or a file that cannot be read.
pub(in crate::cli) fn given_token(
    token: Option<&str>,
    file: Option<&Path>,
    global: &Global,
) -> Result<Option<Secret>, CliError> {
    let (token_flag, file_flag) = (global.is_flag("token"), global.is_flag("token_file"));
    if token_flag && file_flag {
        return Err(CliError::usage("--token and --token-file cannot be combined; leave one out"));
    }
    let (text, source) = match (token, file) {
        (_, Some(file)) if !token_flag => {
            let read = fs::read_to_string(file);
            let read = read.map_err(|error| CliError::usage(format!("--token-file {}: {error}", file.display())));
            (read?, "--token-file")
        }
        (Some(token), _) => (token.to_owned(), "--token"),
        _ => return Ok(None),
    };
    let text = text.trim();
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(CliError::usage(format!("{source} is not a token: it is empty, or has spaces or several lines")));
    }
    Ok(Some(Secret::new(text)))
}

/// Rejects a store that does not exist: only `serve`, `demo` and `import` create one.
pub(in crate::cli) fn existing(path: &Path) -> Result<(), CliError> {
    if path.exists() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the store {} does not exist; set its path with --db, or create it with almanac serve",
        path.display()
    )))
}

/// Age of the newest sample, in milliseconds, above which a stopped store is treated as historical.
const HISTORY_MS: i64 = 3_600_000;

/// Returns the time that learning and advice use as the present: now, or the time of the newest sample of a historical
/// store.
///
/// Samples in the future are ignored. Both cases print a line on stderr.
pub(super) fn as_of(store: &Store) -> Timestamp {
    let now = now();
    let newest = match store.newest_until(now) {
        Ok(newest) => newest,
        Err(error) => {
            // The caller reads the same store next and fails for the same reason.
            crate::say!("almanac: cannot read the time of the newest sample: {}", crate::chain(&error));
            return now;
        }
    };
    if let Some(ahead) = store.newest().filter(|&ahead| ahead > now) {
        crate::say!(
            "almanac: some samples are in the future, the newest at {}; they are not used. List them with almanac sql \"SELECT \
             series, min(timestamp), count(*) FROM samples JOIN series USING (series_id) WHERE timestamp > now() GROUP BY ALL\", \
             and delete them with almanac delete --match SELECTOR --from now",
            iso(ahead.millis())
        );
    }
    match newest {
        Some(newest) if newest.millis() < now.millis().saturating_sub(HISTORY_MS) => {
            crate::say!(
                "almanac: the newest sample is from {}; this time is used as the present",
                iso(newest.millis())
            );
            newest
        }
        _ => now,
    }
}
