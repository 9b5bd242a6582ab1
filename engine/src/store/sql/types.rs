//! Limits, parameters, answers and errors of analysts' SQL.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use serde::{Deserialize, Serialize};

use super::postgres::ParamType;

/// Limits of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlLimits {
    /// Time from the call to the last row, including the wait for a permit.
    pub deadline: Duration,
    /// Maximum number of rows; a longer answer is truncated and marked.
    pub rows: usize,
    /// Maximum size in bytes; a larger answer is truncated and marked.
    pub bytes: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), rows: 100_000, bytes: 64 << 20 }
    }
}

/// How the text of a statement is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SqlDialect {
    /// As DuckDB reads it.
    #[default]
    DuckDb,
    /// As PostgreSQL reads it: names, casts and operators are translated, and parameters have types.
    Postgres {
        /// Types of the parameters, where the client declares them.
        types: Vec<Option<ParamType>>,
    },
}

/// What a statement returns and takes, without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlDescription {
    /// Names of the columns and DuckDB's names of their types.
    pub columns: Vec<(String, String)>,
    /// Types of the parameters.
    pub params: Vec<ParamType>,
}

/// A request to stop a statement. Clones share the request.
#[derive(Debug, Clone, Default)]
pub struct SqlCancel(Arc<AtomicBool>);

impl SqlCancel {
    /// Stops the statement that was given this request, also one that has not started.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the statement is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Value of a parameter (`?` or `$1`) of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// Answer to a query.
#[derive(Debug, Clone)]
pub struct SqlAnswer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// DuckDB's name of each column's type, such as `TIMESTAMP_MS` or `MAP(VARCHAR, VARCHAR)`.
    pub types: Vec<String>,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// Whether a limit truncated the answer.
    pub truncated: bool,
}

/// Error of an analyst's query.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum SqlError {
    /// The statement cannot be parsed or bound, or failed while it ran.
    #[error("{message}")]
    Invalid {
        /// DuckDB's message, in one line.
        message: String,
        /// Position in the statement, in characters from 1, if it is known.
        position: Option<u64>,
    },
    /// The text is not exactly one statement.
    #[error("expected one statement, got {count}")]
    StatementCount {
        /// Number of statements.
        count: u64,
    },
    /// The statement is not a query.
    #[error("only SELECT, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN are allowed, not {kind}{}", instead_of(instead.as_deref()))]
    NotReadOnly {
        /// Kind of the statement.
        kind: String,
        /// Hint about an alternative.
        instead: Option<Cow<'static, str>>,
    },
    /// The function is not on the list of allowed functions.
    #[error("function {name} is not allowed here{}", instead_of(instead.as_deref()))]
    Function {
        /// Name of the function.
        name: String,
        /// Hint about an alternative.
        instead: Option<Cow<'static, str>>,
    },
    /// The table does not exist or is not visible to analysts.
    #[error("table {name:?} does not exist or cannot be queried; available tables: {known}")]
    Table {
        /// Name as in the statement.
        name: String,
        /// Available tables, separated by commas.
        known: String,
    },
    /// The construct is not on the list of allowed constructs.
    #[error("{what} is not allowed here{}", instead_of(instead.as_deref()))]
    Construct {
        /// Name of the construct.
        what: String,
        /// Hint about an alternative.
        instead: Option<Cow<'static, str>>,
    },
    /// The statement is too long, too deeply nested or has too many table references.
    #[error("the statement is too large: {what} {found}, at most {limit}")]
    TooComplex {
        /// Counted quantity.
        what: Cow<'static, str>,
        /// Count of the statement.
        found: u64,
        /// Limit.
        limit: u64,
    },
    /// The number of values differs from the number of parameters.
    #[error("the statement has {expected} parameters but got {found} values")]
    ParamCount {
        /// Number of parameters of the statement.
        expected: u64,
        /// Number of values.
        found: u64,
    },
    /// The caller cancelled the statement.
    #[error("the query was cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("the query did not finish within {} ms", deadline.as_millis())]
    Deadline {
        /// The deadline.
        deadline: Duration,
    },
    /// The memory limit was reached.
    #[error("the query exceeds the memory limit")]
    Memory,
    /// The maximum number of statements is waiting.
    #[error("too many queries are waiting; try again in a second")]
    Busy,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// DuckDB failed on the statement, or the process that ran it ended.
    #[error("the statement ended the process that ran it ({detail}); the service is not affected")]
    Crashed {
        /// What is known of the failure.
        detail: String,
    },
    /// A part of the file that the statement reads is damaged.
    #[error("a part of the store is damaged ({detail}); restore a backup, or save the rest with almanac repair")]
    Damaged {
        /// DuckDB's message, in one line.
        detail: String,
    },
    /// No worker process can be started, or it cannot read the store.
    #[error("SQL is not available: {detail}")]
    Unavailable {
        /// What failed.
        detail: String,
    },
    /// The store failed.
    #[error("the store failed to {action}")]
    #[serde(skip)]
    Store {
        /// Operation, as a verb phrase.
        action: Cow<'static, str>,
        /// Error of DuckDB.
        #[source]
        source: Arc<duckdb::Error>,
    },
}

fn instead_of(instead: Option<&str>) -> String {
    instead.map_or_else(String::new, |instead| format!("; {instead}"))
}

impl SqlError {
    /// Returns the stable code of the error, such as `sql_deadline`.
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
            Self::Cancelled => "sql_cancelled",
            Self::Deadline { .. } => "sql_deadline",
            Self::Memory => "sql_memory",
            Self::Busy => "sql_busy",
            Self::Closed => "store_closed",
            Self::Crashed { .. } => "sql_crashed",
            Self::Damaged { .. } => "store_damaged",
            Self::Unavailable { .. } => "sql_unavailable",
            Self::Store { .. } => "store_failed",
        }
    }
}
