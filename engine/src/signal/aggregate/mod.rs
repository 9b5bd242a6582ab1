//! Aggregations: reduce each group of a vector to one element, or keep k elements of it. `eval` calls them.

mod count_values;
mod groups;
mod rank;
mod reduce;

pub(super) use count_values::count_values;
pub(super) use groups::Groups;
pub(super) use rank::{RankBy, limit_ratio, quantile, rank};
pub(super) use reduce::{Reduction, reduce};
