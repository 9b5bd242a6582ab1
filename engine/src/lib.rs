//! The engine of Almanac: metric samples go in on the left, recommendations with proof come out on
//! the right.
//!
//! `ingest → store → signal → learn → advise → ledger`; a stage knows the one to its left by its
//! types only. Nothing here knows HTTP, reads the clock of its own accord or prints.

pub mod advise;
pub mod calendar;
pub mod ingest;
pub mod learn;
pub mod ledger;
pub mod series;
pub mod signal;
pub mod store;
