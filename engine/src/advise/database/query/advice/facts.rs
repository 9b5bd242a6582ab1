//! Facts of the advisor on queries.

use crate::advise::database::{DatabaseFacts, query::Loop};

/// Facts of a watched database with the loops that traces show.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryFacts {
    /// Catalogue and workload.
    pub database: DatabaseFacts,
    /// Loops of statements in requests.
    pub loops: Vec<Loop>,
}
