//! The configuration file, `almanac.toml`: plain data with a default for every optional key, and errors that name line
//! and column and suggest the nearest known key.

mod advice;
#[cfg(test)]
mod documents;
mod error;
mod file;
mod learning;
mod notify;
mod paths;
mod postgres;
mod promql;
mod secret;
mod sections;
mod server;
mod sql;
mod target;
mod telemetry;
mod units;

pub use advice::{Alerts, kept_rules};
pub use error::ConfigError;
pub use file::{Advise, Config, Ingest, Retention, Scrape, ScrapeScheme, Store};
pub use learning::{Learn, Signal};
pub use notify::{Stream, Webhook};
pub use postgres::Postgres;
pub use promql::Promql;
pub use secret::Secret;
pub use server::Server;
pub use sql::Sql;
pub use target::Target;
pub use telemetry::{Grpc, Otlp};
pub use units::{ByteSize, Span};
