//! The command line: one file per command, with its `Args` and its `run`.
//!
//! Results go to stdout; logs, progress and errors go to stderr. Exit status: 0 success, 1 failure, 2 invalid arguments
//! or configuration, 3 what was examined does not hold.

pub mod demo;
pub mod describe;
mod error;
pub mod files;
mod global;
pub mod grafana;
mod interrupt;
pub mod output;
mod progress;
pub mod serve;
pub mod store;
pub mod token;
mod tree;
mod units;
pub mod verify;
mod worker;

pub use error::CliError;
pub use global::Global;
pub use tree::{Cli, Command, command, command_for, main};
