//! The configuration file, `almanac.toml`: plain data with a default for every key that can have one,
//! and errors that name line and column and suggest the nearest known key.

mod advice;
mod error;
mod file;
mod units;

pub use advice::{Alerts, Cache, Costs, Workload};
pub use error::ConfigError;
pub use file::{Advise, Config, Ingest, Learn, Retention, Scrape, ScrapeScheme, Server, Signal, Store};
pub use units::{ByteSize, Span};
