//! Measurement terms of an applied recommendation on an index.

use serde::{Deserialize, Serialize};

/// What the effect of an index is measured by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexTerms {
    /// Name of the database in the configuration.
    pub database: String,
    /// The index as `schema.name`.
    pub index: String,
    /// Statement families with their measured mean times before, in milliseconds.
    pub families: Vec<FamilyTerm>,
    /// Bytes of an index that is dropped.
    pub bytes: Option<f64>,
}

/// A statement family before the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyTerm {
    /// Fingerprint.
    pub family: String,
    /// Mean time of one execution, in milliseconds.
    pub before_ms: f64,
}
