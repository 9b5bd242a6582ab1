//! Advice on a PostgreSQL database: the section `[[database]]` and the facts, which its advisors share, and one folder for
//! each advisor.

mod facts;
pub mod index;
mod spec;

pub use facts::DatabaseFacts;
pub use spec::{DatabaseSpec, DatabaseUrl};
