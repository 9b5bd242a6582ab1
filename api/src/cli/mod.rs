//! The command line: one file a command, each with its `Args` and its `run`.
//!
//! Results go to stdout; logs, progress and errors to stderr. Exit status: 0 done, 1 the work failed,
//! 2 the call was wrong.

pub mod compact;
pub mod demo;
pub mod detect;
mod error;
pub mod forecast;
mod global;
mod grid;
pub mod import;
pub mod learn;
pub mod output;
pub mod recommend;
mod remote;
pub mod replay;
pub mod serve;
pub mod sql;
mod tree;

pub use error::CliError;
pub(crate) use error::chain;
pub use global::{Global, Place, PlaceArgs, StoreArgs};
pub use remote::{Answer, Remote};
pub use tree::{Cli, Command, command, main};
