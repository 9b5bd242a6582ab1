//! Runs a recommendation on a copy of a watched database and measures it.
//!
//! Before and after are interleaved: a round before runs in a transaction that drops the index first and is rolled back, so
//! that the index is built once and both sides see the same state of the table and its caches. This locks the table for
//! other sessions, which a copy does not have; on a database with other sessions nothing is run.

mod cleanup;
mod effects;
mod error;
mod index;
mod make;
mod place;
mod planner;
mod rewritten;
mod rounds;
mod session;
mod writes;

pub use error::VerifyError;
pub use make::{MAX_BYTES, make_copy};
pub use place::{Checks, check};
pub use run::{Options, verify};

mod run;
