//! Estimates what a statement costs with a given set of indexes, from the catalogue's statistics.
//!
//! The model follows PostgreSQL's planner (`costsize.c`, `selfuncs.c`): sequential, index, index-only and bitmap scans,
//! nested loops and hash joins in left-deep order, sorts, and LIMIT. Two figures are computed for each path. The planner's
//! cost, in its units, with the server's settings, decides which path PostgreSQL would take. The work, in milliseconds on
//! a machine that holds the data in memory, says how two plans compare in time. Without HypoPG and without a copy of the
//! database it is an estimate; `almanac verify database` measures.

mod access;
mod block;
mod costs;
mod design;
mod predicate;
mod selectivity;
mod statement;

pub use costs::Costs;
pub use design::{Design, Hypothetical, hypothetical_bytes};
pub(crate) use predicate::{partial_share, same_predicate};
pub(crate) use selectivity::share as share_of;
pub(crate) use statement::referring;
pub use statement::{Estimate, PathUse, Seen, estimate};

#[cfg(test)]
mod tests;
