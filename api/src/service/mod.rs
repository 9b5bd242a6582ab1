//! The running service: listens, answers, does its own work on schedule, and ends in order.

mod run;
mod schedule;
mod tasks;

pub use run::{ServiceError, open_store, serve, serve_advising, store_options};
pub use tasks::Advised;
