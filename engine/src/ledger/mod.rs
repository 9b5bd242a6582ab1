//! The ledger of recommendations, their states and their measured effects: a state machine over the store's rows.
//!
//! States: proposed → accepted | dismissed → applied → verified | regressed | expired. `transition` defines the legal
//! changes, `reconcile` decides what a new proposal replaces, `rollback` builds the proposal that undoes a regressed
//! one. The ledger depends on no advisor; the rules of a kind come from [`KindRules`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use almanac_engine::{
//!     advise::Registry,
//!     ledger::Ledger,
//!     store::{Store, StoreOptions, rows::RecommendationFilter},
//! };
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default())?;
//! let ledger = Ledger::new(store.clone(), Arc::new(Registry::default()))?;
//! assert!(ledger.list(&RecommendationFilter::default())?.is_empty());
//! // A subscriber is notified of every change.
//! let changes = ledger.subscribe();
//! assert!(!changes.has_changed()?);
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod changes;
mod copies;
mod error;
mod keeper;
mod measured;
mod promise;
mod reconcile;
mod rollback;
mod rules;
mod transition;

#[cfg(test)]
mod tests;

pub use copies::NOT_MEASURED;
pub use error::LedgerError;
pub use keeper::{Ledger, Proposals, Verdicts};
pub use measured::{Calibration, Measured};
pub use promise::Promise;
pub use rules::{Difference, Direction, KindRules};
