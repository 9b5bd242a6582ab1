//! Recommends indexes to create and indexes to drop, over the whole workload of a database.
//!
//! Candidates come from the predicates, joins, orders and groups of all statements (`candidates`). A greedy search with
//! pruning selects among them by time saved net of the time that writes lose (`select`), with the plan estimates of
//! [`estimate`](crate::database::estimate) scaled to each statement's measured time (`gain`). Indexes that nothing needs are found
//! from their definitions and their scans (`surplus`).

mod advisor;
mod candidates;
mod decide;
mod describe;
mod gain;
mod measure;
mod naming;
mod select;
mod surplus;
mod terms;
mod types;

pub use advisor::Indexes;
pub use describe::{drop_statement, index_script, index_statement};
pub use surplus::surplus;
pub use terms::{FamilyTerm, IndexTerms};
pub use types::{FamilyEffect, IndexReview, Limits, NewIndex, Surplus, SurplusReason, Unread};

use crate::database::{Catalogue, Workload};

/// Reviews the indexes of a database.
///
/// `unused_after_seconds`: span without a scan after which an index counts as unused.
#[must_use]
pub fn review(catalogue: &Catalogue, workload: &Workload, limits: &Limits) -> IndexReview {
    let read = gain::read(catalogue, workload);
    let create = select::select(&read, limits);
    let drop = surplus(catalogue, workload, limits);
    IndexReview { create, drop, unread: read.unread, seconds: workload.seconds, total_ms: read.total_ms }
}

#[cfg(test)]
mod tests;
