//! Reads durations, parameters and plans of statements from a PostgreSQL server's log.
//!
//! `LogReader` takes the bytes of a log as it grows, in one of the formats `stderr`, `csvlog` and `jsonlog`, and returns
//! the entries of `log_min_duration_statement` and `auto_explain`. It opens no file.

mod entry;
mod reader;

pub use entry::{Timed, parameters};
pub use reader::{LogFormat, LogReader};

#[cfg(test)]
mod tests;
