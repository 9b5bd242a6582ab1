//! The bench of ingest and queries: sends the same stream of remote write to Almanac, VictoriaMetrics and Prometheus, and
//! writes tables of the results side by side.

mod command;
mod learning;
mod profile;
mod queries;
mod report;
mod run;
mod sender;
mod server;
mod stream;
mod system;

pub use command::write;
