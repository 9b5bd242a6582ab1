//! Analysts' SQL. Every statement is treated as hostile until it has been checked.
//!
//! A statement must be a single read-only query of allowed functions and tables. It runs in a read-only transaction
//! with a deadline and limits on rows, bytes, table references and nesting. In addition the database's settings are
//! locked, so that no statement can access files or the network.

mod advice;
mod allow;
mod check;
mod gate;
mod names;
mod parquet;
mod types;

pub(super) use gate::Gate;
pub use parquet::{ParquetError, to_parquet};
pub use types::{SqlAnswer, SqlError, SqlLimits, SqlParam};
