//! The outermost layer of Almanac: command line, configuration, HTTP and the PostgreSQL wire.
//!
//! Wire types, status codes, the clock, the environment and stdout are used in this crate and in no other.

#![warn(clippy::print_stderr)]

pub mod access;
mod chain;
pub mod cli;
pub mod config;
pub mod database;
mod grouped;
mod grpc;
pub mod http;
pub mod postgres;
mod say;
pub mod service;

pub use chain::chain;
pub(crate) use chain::one_line;
pub use grouped::grouped;
pub(crate) use say::say;
