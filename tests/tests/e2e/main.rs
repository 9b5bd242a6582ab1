//! End to end: the shipped program on temporary stores, spoken to over its command line and HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene should fail there")]

mod closed_loop;
mod command_line;
mod delete;
mod getting_started;
mod grafana;
mod harness;
mod ingest;
mod learn;
mod notebook;
mod replay;
mod series_file;
mod service;
mod simulated;
