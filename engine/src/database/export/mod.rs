//! Reads what a person exported from a database: statements with their counters, the schema, plans.
//!
//! Called by `almanac review database`. Each reader takes the bytes of a file and its name for messages; an error is one
//! line that names the file, the line, and what would be right.
//!
//! ```
//! use almanac_engine::database::export::read_statements;
//!
//! let text = "query,calls,total_exec_time,rows\nSELECT * FROM tasks WHERE id = $1,10,25.5,10\n";
//! let file = read_statements("statements.csv", text.as_bytes()).unwrap();
//! assert_eq!(file.workload.statements[0].mean_ms(), 2.55);
//!
//! let error = read_statements("statements.csv", b"query,rows\nSELECT 1,1\n").unwrap_err();
//! assert!(error.to_string().starts_with("statements.csv line 1: there is no column calls"));
//! ```

mod columns;
mod ddl;
mod error;
mod index;
mod plans;
mod schema;
mod split;
mod statements;

pub use error::ExportError;
pub use plans::{PlansFile, read_plans};
pub use schema::{SchemaFile, read_schema};
pub use statements::{StatementsFile, read_statements};

#[cfg(test)]
mod tests;
