//! Aggregations: many elements of a vector into one per group, or the k most telling of each.

mod count_values;
mod groups;
mod rank;
mod reduce;

pub(super) use count_values::count_values;
pub(super) use groups::Groups;
pub(super) use rank::{Pick, quantile, rank};
pub(super) use reduce::reduce;
