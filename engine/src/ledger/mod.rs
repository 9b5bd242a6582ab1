//! What was recommended, what was done about it, and what came of it.
//!
//! proposed → accepted | dismissed → applied → verified | regressed | expired; nothing else is
//! legal. The store keeps it; here is who may change what, and when a proposal replaces another.

mod error;
mod keeper;
mod measured;
mod proposal;
mod revert;
mod transition;

#[cfg(test)]
mod tests;

pub use error::LedgerError;
pub use keeper::{Ledger, Proposals, Verdicts};
pub use measured::{Calibration, Measured};
pub(crate) use proposal::MOVED;
pub(crate) use revert::{ABOVE_COST, BEFORE, RULE, RULE_BEFORE, WAY_BACK};
