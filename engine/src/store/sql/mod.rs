//! Analysts' SQL. Every statement is treated as hostile until it has been checked.
//!
//! A statement must be a single read-only query of allowed functions and tables. It runs in a read-only transaction
//! with a deadline and limits on rows, bytes, table references and nesting. In addition the database's settings are
//! locked, so that no statement can access files or the network. A service runs all of this in worker processes
//! ([`workers`](super::workers)), because DuckDB itself may fail on an allowed statement.

mod advice;
mod allow;
mod caret;
mod check;
mod describe;
mod execute;
mod gate;
mod names;
mod parquet;
mod permits;
pub mod postgres;
mod promql;
mod statement;
mod types;

pub(super) use describe::describe_until;
pub(super) use execute::execute_until;
pub(super) use gate::Gate;
pub use parquet::{ParquetError, to_parquet};
pub(super) use permits::Permits;
pub use promql::{EvaluatePromql, IsCancelled, PromqlCall, PromqlSeries, PromqlStep};
pub(super) use promql::{PromqlRows, calls, evaluate, install, remove};
pub(super) use statement::Statement;
pub use types::{SqlAnswer, SqlCancel, SqlDescription, SqlDialect, SqlError, SqlLimits, SqlParam};
