//! Turns snapshots of a watched database into samples and into rows by the hour.
//!
//! ```text
//! Snapshot ─► Collector ─► samples                 pg_statement_calls_total, pg_table_…, pg_connections, …
//!                      └─► rows of the hour        database_statement_use, database_table_use, …
//! ```
//!
//! Counters of samples are sums of the collector: a reset of the server's statistics does not break them, and they go on
//! from the stored rows after a restart of Almanac; the sum of the other families starts at 0. Opens no connection and
//! reads no clock.

mod catalogue;
mod collector;
mod families;
mod hour;
mod series;

pub use catalogue::catalogue_samples;
pub use collector::{Collector, CollectorOptions, Taken};
pub use series::metadata;

#[cfg(test)]
mod tests;
