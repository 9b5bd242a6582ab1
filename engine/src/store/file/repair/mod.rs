//! Saves what is sound in a damaged store into a new file: `almanac repair`.
//!
//! ```text
//! file, log ─► copy, changed bits corrected ─► open ─► rows that can be read ─► new store
//!              blocks, log                     source  rows, samples, tables
//! ```
//!
//! The damaged file is read only. [`correct`] finds a changed bit by DuckDB's checksums, [`source`] reads around blocks that stay damaged, and blocks of
//! samples are compared with their own checksums before they are written.

mod blocks;
mod correct;
mod log;
mod report;
mod rows;
mod run;
mod samples;
mod source;
mod tables;

pub use report::{RepairReport, RepairStage, TableReport};
pub(in crate::store) use run::repair;
