//! Messages between the service and a worker.

use std::path::PathBuf;

use duckdb::Connection;
use serde::{Deserialize, Serialize};

use crate::store::{
    AnalystLimits, PromqlCall, SqlDescription, SqlDialect, SqlError, SqlLimits, SqlParam, StoreError,
    error::failed_to,
    segment::{Segment, SegmentKind},
};

/// Message from the service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Open the file now, before the first statement.
    Warm,
    /// Run a statement.
    Run {
        sql: String,
        params: Vec<SqlParam>,
        dialect: SqlDialect,
        /// Limits, with the time that is left.
        limits: SqlLimits,
        analyst: AnalystLimits,
    },
    /// Describe a statement without running it.
    Describe {
        sql: String,
        dialect: SqlDialect,
        /// Limits, with the time that is left.
        limits: SqlLimits,
        analyst: AnalystLimits,
    },
    /// The file may be opened by this path now.
    Open { link: PathBuf },
    /// Rows of a table; the payload is an Arrow stream without the row numbers.
    Rows {
        table: String,
        /// The rows are the whole table, and the worker's own are obsolete.
        replaces: bool,
        /// Highest row number so far.
        last: Option<i64>,
    },
    /// All rows were sent. The segments at the time of the snapshot; empty if none were requested.
    Supplied { segments: Vec<SegmentInfo> },
    /// The series of the next result of `promql`; the payload is an Arrow stream.
    PromqlSeries,
    /// The values of that result; the payload is an Arrow stream.
    PromqlPoints,
    /// A checkpoint was written: close the file, and open it again.
    Reopen,
    /// The request cannot be met.
    Refused { error: SqlError },
}

/// Message from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The worker waits for a statement.
    Ready,
    /// The worker asks to open the file.
    Open,
    /// The file is open, and the worker holds no lock on it.
    Opened,
    /// The file cannot be opened.
    NotOpened { detail: String },
    /// The worker asks for the rows that it lacks.
    Need(Need),
    /// The worker asks for the results of these calls, each as series and values.
    Promql { calls: Vec<PromqlCall> },
    /// The answer; the payload is an Arrow stream.
    Answer { types: Vec<String>, truncated: bool },
    /// The description of a statement.
    Described(SqlDescription),
    /// The statement failed.
    Error { error: SqlError },
}

/// What a worker has of the tables that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Need {
    /// Tables besides the segments.
    pub(super) tables: Vec<Held>,
    /// The segments of samples; `None` if the statement does not name samples.
    pub(super) segments: Option<Vec<HeldSegment>>,
}

/// Rows that a worker has of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) table: String,
    pub(super) rows: u64,
    /// Highest row number; `None` without rows.
    pub(super) last: Option<i64>,
}

/// Rows that a worker has of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldSegment {
    pub(super) id: u64,
    /// Whether the worker knows the segment as frozen; its rows are then complete if their number is right.
    pub(super) frozen: bool,
    pub(super) rows: u64,
    pub(super) last: Option<i64>,
}

/// A segment in the service's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentInfo {
    pub(super) id: u64,
    /// `hot`, `late`, `cold` or `rows`.
    pub(super) kind: String,
    pub(super) frozen: bool,
    /// Number of samples of a frozen segment.
    pub(super) rows: u64,
    /// First and last timestamp of a frozen segment, epoch milliseconds.
    pub(super) min: i64,
    pub(super) max: i64,
}

impl SegmentInfo {
    /// Reads the list of segments of a schema.
    pub(super) fn list(connection: &Connection, schema: &str) -> Result<Vec<Self>, StoreError> {
        let failed = failed_to("read the list of segments");
        let mut statement = connection
            .prepare(&format!(
                "SELECT segment_id, kind, frozen, coalesce(rows, 0), coalesce(min_ms, 0), coalesce(max_ms, 0)
                 FROM {schema}.segments ORDER BY segment_id"
            ))
            .map_err(&failed)?;
        let read = |row: &duckdb::Row<'_>| {
            Ok(Self {
                id: row.get(0)?,
                kind: row.get(1)?,
                frozen: row.get(2)?,
                rows: row.get(3)?,
                min: row.get(4)?,
                max: row.get(5)?,
            })
        };
        statement.query_map([], read).and_then(Iterator::collect).map_err(&failed)
    }

    /// Returns the segment.
    pub(super) fn segment(&self) -> Result<Segment, StoreError> {
        let kind = SegmentKind::parse(&self.kind)
            .ok_or_else(|| StoreError::Corrupt { table: "segments", detail: format!("kind {:?}", self.kind) })?;
        Ok(Segment { id: self.id, kind, rows: self.rows, min: self.min, max: self.max })
    }
}
