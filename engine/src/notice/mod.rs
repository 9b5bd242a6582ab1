//! Notices for callers, one about each thing: new recommendations and their changes of state, expected breaches of
//! alerting rules, suspected incidents, signals that become anomalous.
//!
//! ```text
//! ledger, learned rows, breaches ─► find (pure) ─► store.notices ─► webhooks, streams
//! ```

mod find;

pub use find::{Facts, News, find};
