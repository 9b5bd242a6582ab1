//! Advice on a PostgreSQL database: the section `[[database]]` and the facts, which its advisors share, and one folder for
//! each advisor.

mod facts;
pub mod index;
pub mod query;
mod review;
pub mod settings;
mod spec;
pub mod verify;

pub use facts::DatabaseFacts;
pub use review::{Exported, exported, review_database};
pub use spec::{DatabaseSpec, DatabaseUrl};
