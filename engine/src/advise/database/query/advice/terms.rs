//! Measurement terms of an applied rewrite.

use serde::{Deserialize, Serialize};

/// What the effect of a rewrite is measured by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryTerms {
    /// Name of the database in the configuration.
    pub database: String,
    /// Families that the change replaces or makes faster, as they were before.
    pub families: Vec<TermOfFamily>,
    /// Fingerprints of the rewritten statements; empty where the statement stays, or another one that is not known replaces
    /// it.
    pub after: Vec<String>,
    /// Whether a statement that is not known replaces the family, so that its time cannot be compared.
    #[serde(default)]
    pub is_replacement_unknown: bool,
    /// Executions an hour of all other families before, by which the load is compared.
    pub others_per_hour: f64,
}

/// A family before the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TermOfFamily {
    /// Fingerprint.
    pub family: String,
    /// Mean time of one execution, in milliseconds.
    pub mean_ms: f64,
    /// Execution time an hour, in milliseconds.
    pub hourly_ms: f64,
}
