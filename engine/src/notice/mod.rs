//! Notices: decides what callers are told, each thing once: changes of recommendations, expected breaches of alerting
//! rules, suspected incidents, signals that become anomalous.
//!
//! ```text
//! ledger, learned rows, breaches ─► find (pure) ─► store.notices ─► webhooks, streams
//! ```

mod find;

pub use find::{Facts, News, find};
