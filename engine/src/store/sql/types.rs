//! Analysts' questions, answers and refusals.

use std::{sync::Arc, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};

/// Bounds of one analyst's query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlLimits {
    /// Time from the call to the last row, waiting for a free place included.
    pub deadline: Duration,
    /// Most rows of the answer; past it the answer is cut and says so.
    pub rows: usize,
    /// Most bytes of the answer; past it the answer is cut and says so.
    pub bytes: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), rows: 100_000, bytes: 64 << 20 }
    }
}

/// A value for a `?` or `$1` of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlParam {
    /// NULL
    Null,
    /// BOOLEAN
    Bool(bool),
    /// BIGINT
    Int(i64),
    /// DOUBLE
    Float(f64),
    /// VARCHAR
    Text(String),
}

/// The answer to an analyst's query.
#[derive(Debug, Clone)]
pub struct SqlAnswer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// DuckDB's own name of each column's type, such as `TIMESTAMP_MS` or `MAP(VARCHAR, VARCHAR)`.
    pub types: Vec<String>,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether rows were cut off by a limit.
    pub truncated: bool,
}

/// Why an analyst's query was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SqlError {
    /// The statement cannot be parsed or bound, or failed while it ran.
    #[error("{message}")]
    Invalid {
        /// What DuckDB says, in one line.
        message: String,
    },
    /// Not exactly one statement.
    #[error("one statement is expected, {count} were given")]
    StatementCount {
        /// How many there were.
        count: u64,
    },
    /// A statement that does more than read.
    #[error("only SELECT, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN are allowed, not {kind}{}", instead_of(*instead))]
    NotReadOnly {
        /// Kind of the statement.
        kind: String,
        /// What to write in its place.
        instead: Option<&'static str>,
    },
    /// A function that is not on the list.
    #[error("function {name} is not allowed here{}", instead_of(*instead))]
    Function {
        /// The function.
        name: String,
        /// What to write in its place.
        instead: Option<&'static str>,
    },
    /// A table that analysts cannot see.
    #[error("table {name:?} does not exist or is not open to queries; there are {known}")]
    Table {
        /// The table as written.
        name: String,
        /// The tables there are.
        known: String,
    },
    /// A construct that the gate does not know.
    #[error("{what} is not allowed here{}", instead_of(*instead))]
    Construct {
        /// What it is.
        what: String,
        /// What to write in its place.
        instead: Option<&'static str>,
    },
    /// Too long, too deep or too many table references.
    #[error("the statement is too large: {what} {found}, at most {limit}")]
    TooComplex {
        /// What was counted.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// Not as many parameters as the statement has places.
    #[error("the statement has {expected} parameters, {found} were given")]
    ParamCount {
        /// Places in the statement.
        expected: u64,
        /// Values given.
        found: u64,
    },
    /// The deadline passed.
    #[error("the query did not end within {} ms", deadline.as_millis())]
    Deadline {
        /// The deadline.
        deadline: Duration,
    },
    /// The memory limit was reached.
    #[error("the query needs more memory than it may use")]
    Memory,
    /// As many statements wait as may.
    #[error("as many queries as may are waiting already; try again in a second")]
    Busy,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The store itself failed.
    #[error("the store failed to {action}")]
    Store {
        /// What was being done.
        action: &'static str,
        /// What DuckDB says.
        #[source]
        source: Arc<duckdb::Error>,
    },
}

fn instead_of(instead: Option<&'static str>) -> String {
    instead.map_or_else(String::new, |instead| format!("; {instead}"))
}

impl SqlError {
    /// A stable code for this kind of error, such as `sql_deadline`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "sql_invalid",
            Self::StatementCount { .. } => "sql_statement_count",
            Self::NotReadOnly { .. } => "sql_not_read_only",
            Self::Function { .. } => "sql_function_not_allowed",
            Self::Table { .. } => "sql_table_unknown",
            Self::Construct { .. } => "sql_construct_not_allowed",
            Self::TooComplex { .. } => "sql_too_complex",
            Self::ParamCount { .. } => "sql_param_count",
            Self::Deadline { .. } => "sql_deadline",
            Self::Memory => "sql_memory",
            Self::Busy => "sql_busy",
            Self::Closed => "store_closed",
            Self::Store { .. } => "store_failed",
        }
    }
}
