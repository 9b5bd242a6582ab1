//! Advice on a PostgreSQL database: the section `[[database]]`, which its advisors share.

mod spec;

pub use spec::{DatabaseSpec, DatabaseUrl};
