//! Advisors on PostgreSQL databases.

pub mod index;
