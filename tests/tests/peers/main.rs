//! Almanac with real peers: Prometheus and its exporters, Redis, PostgreSQL. `make test-peers` installs them; the tests
//! fail when one is missing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was compared")]

mod browser;
mod database;
mod deploy;
mod getting_started;
mod grafana;
#[expect(dead_code, unused_imports, reason = "shared with the tests that need no peers, which use the rest")]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod notebook;
mod postgres;
mod process;
mod prometheus;
mod rewrites;
mod settings;
mod verify;
