//! Advisors on PostgreSQL databases.

pub mod index;
pub mod query;
