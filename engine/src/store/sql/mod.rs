//! Analysts' SQL, every statement of which is taken for hostile until the gate has checked it.
//!
//! One statement that reads only, of functions and tables that are allowed by name, in a read-only
//! transaction, within a deadline and limits on rows, bytes, table references and nesting. The
//! database's settings are locked besides, so that no statement reaches files or the network.

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
