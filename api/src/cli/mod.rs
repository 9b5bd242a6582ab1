//! The command line: one file a command, each with its `Args` and its `run`.
//!
//! Results go to stdout; logs, progress and errors to stderr. Exit status: 0 done, 1 the work failed,
//! 2 the call was wrong.

pub mod demo;
mod error;
pub mod files;
mod global;
mod interrupted;
pub mod output;
pub mod serve;
pub mod store;
mod tree;
mod units;

pub use error::CliError;
pub use global::Global;
pub use tree::{Cli, Command, command, command_for, main};
