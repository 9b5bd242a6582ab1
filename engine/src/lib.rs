//! The engine of Almanac: turns metric samples into recommendations with measured evidence.
//!
//! Data flows `ingest → store → signal → learn → advise → ledger`. A stage depends only on the public types of the
//! stages before it. The engine contains no HTTP, never prints, and takes the current time as an argument.

pub mod advise;
pub mod calendar;
pub mod database;
pub mod export;
pub mod histogram;
pub mod ingest;
#[cfg(unix)]
mod isolation;
pub mod learn;
pub mod ledger;
pub mod notice;
pub mod rules;
pub mod series;
pub mod signal;
pub mod store;
