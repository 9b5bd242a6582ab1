//! Notices for callers, one about each thing: new recommendations and their changes of state, expected breaches of
//! alerting rules, suspected incidents, signals that become anomalous. Also explains a suspected incident.
//!
//! ```text
//! ledger, learned rows, breaches ─► find (pure) ─► store.notices ─► webhooks, streams
//! ```

mod explain;
mod find;

pub use explain::{DEPLOYS_BEFORE_MS, Departure, Explanation, Surroundings, explain};
pub use find::{Facts, News, find};
