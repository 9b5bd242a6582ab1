//! What a review of indexes reports.

use serde::{Deserialize, Serialize};

use crate::{advise::kit::Interval, database::Index};

/// Bounds of a selection.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes that all new indexes together may have; none: half of the tables' bytes.
    pub bytes: Option<f64>,
    /// Most indexes to create.
    pub indexes: usize,
    /// Least share of the workload's time that an index must save, net of writes.
    pub least_share: f64,
    /// Seconds of statistics without a scan after which an index counts as unused.
    pub unused_after_seconds: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: None, indexes: 32, least_share: 0.004, unused_after_seconds: 30.0 * 86_400.0 }
    }
}

/// Result of a review.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexReview {
    /// Indexes to create, the most valuable first.
    pub create: Vec<NewIndex>,
    /// Indexes to drop, the largest first.
    pub drop: Vec<Surplus>,
    /// Statements that could not be read.
    pub unread: Vec<Unread>,
    /// Seconds of the workload; none if unknown.
    pub seconds: Option<f64>,
    /// Time of all statements in the workload, in milliseconds.
    pub total_ms: f64,
}

/// An index to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIndex {
    /// Table as `schema.name`.
    pub table: String,
    /// The index.
    pub index: Index,
    /// Statement that creates it; on a partitioned table the first one of `script`.
    pub statement: String,
    /// All statements that create it, one a line.
    pub script: String,
    /// Statement that drops it.
    pub undo: String,
    /// Extension that must be installed first.
    pub extension: Option<String>,
    /// Expected size in bytes.
    pub bytes: f64,
    /// Time saved in the workload's span, in milliseconds, before writes.
    pub saved_ms: f64,
    /// Time that writes lose in the span, in milliseconds.
    pub lost_ms: f64,
    /// Time saved net of writes, in milliseconds of the span, at the level of 80 %.
    pub net_ms: Interval,
    /// Effect on each statement family that uses it, the largest first.
    pub families: Vec<FamilyEffect>,
    /// Present indexes (`schema.index`) that it makes superfluous.
    pub supersedes: Vec<String>,
}

/// Effect of an index on one statement family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyEffect {
    /// Fingerprint of the family.
    pub family: String,
    /// Normalised statement.
    pub statement: String,
    /// Executions in the span.
    pub calls: f64,
    /// Measured mean time, in milliseconds.
    pub before_ms: f64,
    /// Expected mean time, in milliseconds.
    pub after_ms: f64,
    /// How the table is read at present: an index, or `sequential scan`.
    pub present: String,
}

/// An index to drop.
#[derive(Debug, Clone, PartialEq)]
pub struct Surplus {
    /// Table as `schema.name`.
    pub table: String,
    /// The index.
    pub index: Index,
    /// Why it is not needed.
    pub reason: SurplusReason,
    /// Statement that drops it.
    pub statement: String,
    /// Bytes that are freed; none if unknown.
    pub bytes: Option<f64>,
    /// Bytes that such an index is expected to have.
    pub estimated_bytes: f64,
    /// Time that writes regain in the workload's span, in milliseconds.
    pub regained_ms: f64,
}

/// Why an index is not needed.
#[derive(Debug, Clone, PartialEq)]
pub enum SurplusReason {
    /// Another index has the same definition.
    Duplicate {
        /// Name of the other one.
        of: String,
    },
    /// Its keys are the first keys of another index.
    Prefix {
        /// Name of the other one.
        of: String,
    },
    /// It was not scanned.
    Unused {
        /// Seconds of the statistics that show no scan.
        seconds: f64,
    },
    /// It is invalid: a failed `CREATE INDEX CONCURRENTLY` left it, which costs writes and serves nothing.
    Invalid,
}

/// A statement that could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// Fingerprint of the family.
    pub family: String,
    /// Normalised statement.
    pub statement: String,
    /// Time of the family in the span, in milliseconds.
    pub total_ms: f64,
    /// Reason.
    pub reason: String,
}
