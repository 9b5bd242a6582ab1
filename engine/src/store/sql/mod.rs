//! Analysts' SQL: hostile until shown otherwise. One statement, reading only, of functions and
//! tables that are allowed by name, within a deadline and limits.

mod gate;
mod parquet;
mod types;

pub(super) use gate::Gate;
pub use parquet::{ParquetError, to_parquet};
pub use types::{SqlAnswer, SqlError, SqlLimits, SqlParam};
