//! The configuration file, `almanac.toml`: plain data with a default for every key that can have one,
//! and errors that name line and column and suggest the nearest known key.

mod error;
mod file;
mod units;

pub use error::ConfigError;
pub use file::{
    Alerts, Cache, Config, Ingest, Learn, Retention, Scrape, ScrapeScheme, Server, Signal, Store, Workload,
};
pub use units::{ByteSize, Span};
