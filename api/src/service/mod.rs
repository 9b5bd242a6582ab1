//! The running service: listens, answers, does its own work on schedule, and ends in order.

mod run;
mod schedule;
mod tasks;

pub use run::{ServiceError, open_store, serve, store_options};
pub(crate) use tasks::together;
