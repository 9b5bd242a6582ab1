//! The configuration file, `almanac.toml`: plain data with a default for every optional key, and errors that name line
//! and column and suggest the nearest known key.

mod advisors;
#[cfg(test)]
mod documents;
mod error;
mod file;
mod paths;
mod secret;
mod section;
mod units;

pub use error::ConfigError;
pub use file::{Advise, Config, Ingest, Retention, Scrape, ScrapeScheme, Store};
pub use secret::Secret;
pub use section::{
    Alerts, Grpc, Learn, Otlp, Postgres, Promql, Server, Signal, Sql, Stream, Target, Webhook, kept_rules,
};
pub use units::{ByteSize, Span};
