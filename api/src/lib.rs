//! The outermost layer of Almanac: command line, configuration and HTTP.
//!
//! Wire types, status codes, the clock, the environment and stdout live here and nowhere else.

pub mod cli;
pub mod config;
pub mod http;
pub mod service;
