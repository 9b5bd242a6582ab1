//! What is known of a watched PostgreSQL database: its catalogue with statistics, its statements and what they cost.
//!
//! Pure data and pure functions. `catalogue` describes tables, columns and indexes; `workload` the statements of a span
//! with their counters; `plan` their plans; `statement` reads statement texts, `shape` what they mean, `estimate` what they
//! would cost with other indexes; `memory` reads and writes amounts of it; `export` reads files that a person exported; `log` reads the server's log; `read` has the
//! SQL that reads a database, `snapshot` its counters and their differences; `traces` finds loops of statements in the
//! requests of spans.
//!
//! ```
//! use almanac_engine::database::statement::{family, normalize};
//!
//! let text = "SELECT id FROM tasks WHERE user_id = 7 AND title IN ('a', 'b')";
//! assert_eq!(normalize(text), "SELECT id FROM tasks WHERE user_id = $1 AND title IN ($2, $3)");
//! // A family has one fingerprint, whatever its literals, its placeholders and the length of its lists.
//! assert_eq!(family(text), family("select id from tasks where user_id = %s and title in (%s)"));
//! ```

pub mod catalogue;
pub mod estimate;
pub mod export;
pub mod log;
pub mod memory;
pub mod plan;
pub mod read;
pub mod shape;
pub mod snapshot;
pub mod statement;
pub mod traces;
pub mod workload;

pub use catalogue::{
    Catalogue, Column, ColumnStatistics, ForeignKey, Index, IndexKey, Lack, SettingOverride, Table, TableActivity,
    TableKind,
};
pub use plan::{Plan, PlanNode};
pub use workload::{ParameterValues, StatementUse, TableWrites, Workload};

#[cfg(test)]
pub(crate) mod fixture;
