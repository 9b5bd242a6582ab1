//! Subqueries that read the same rows several times, or once for each row.

mod correlated;
mod distinct;
mod exists;
mod not_in;
mod scalar;

pub(super) use correlated::find as correlated_subquery;
pub(super) use distinct::find as distinct_join;
pub(super) use exists::find as count_as_exists;
pub(super) use not_in::find as not_in_null;
pub(super) use scalar::find as scalar_subqueries;
