//! Advisors on a watched database.

pub mod query;
