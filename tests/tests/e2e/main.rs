//! End to end: the shipped program on temporary stores, used through its command line and HTTP.

#![expect(clippy::unwrap_used, reason = "a test whose set-up fails should fail there")]

mod access;
mod attack;
mod closed_loop;
mod command_line;
mod consumers;
mod dashboards;
mod delete;
mod export;
mod getting_started;
mod grafana;
mod harness;
mod ingest;
mod install;
mod isolation;
mod learn;
mod notebook;
mod otlp;
mod pictures;
mod postgres;
mod replay;
mod rules_here;
mod series_file;
mod service;
mod simulated;
mod sql_functions;
mod stays;
