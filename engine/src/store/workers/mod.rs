//! Worker processes for analysts' SQL: a statement can at worst end its own worker.
//!
//! ```text
//! service                                        worker (same binary, limited by the operating system)
//! ───────                                        ──────
//! [`SqlWorkers`] ── Run ───────────────────────► checks the statement, opens the file read-only
//! [`snapshot`]   ◄─ Open ──────────────────────  asks to open the file
//!                ── Open{link} ────────────────► attaches the last checkpoint as `base`
//! [`supply`]     ◄─ Need{tables, segments} ────  what it has of the tables that the statement names
//!                ── Rows …, Supplied ──────────► adds the rows since the checkpoint, as `tail`
//!                ◄─ Answer or Error ───────────  if no checkpoint was written meanwhile; else it starts again
//! ```
//!
//! A worker reads the database file itself. Until DuckDB has written the header of the next checkpoint it overwrites no
//! block of the last one, since its own recovery after a crash depends on that. A worker therefore compares the header's
//! iteration before and after a statement, and repeats the statement on the new checkpoint if it differs. Rows since the
//! checkpoint are in the write-ahead log and in the service's memory; the service sends those of the tables that the
//! statement names, each row once per worker and checkpoint.

mod message;
mod pool;
mod replica;
mod run;
mod serve;
mod snapshot;
mod supply;

pub use pool::{SqlCall, SqlWorkers, WorkerOptions, WorkerStats};
pub use serve::serve_sql;
