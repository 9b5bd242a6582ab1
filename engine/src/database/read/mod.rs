//! SQL that reads a watched database, by its version and the role's rights, and what its answers mean.
//!
//! Each statement returns one JSON document in one column. The caller runs it; nothing here opens a connection.
//!
//! ```text
//! server ─► Server ─► counters, statements ─► Snapshot       at each interval
//!                     texts of new statements                 once a statement
//!                     catalogue            ─► Catalogue       every ten minutes
//! ```

mod error;
mod server;
mod sql;

pub use error::ReadError;
pub use server::{Access, Server, texts};
pub use sql::{SERVER, SESSION, catalogue, counters, statement_texts, statements};

#[cfg(test)]
mod tests;
