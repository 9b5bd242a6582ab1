//! The functions of PromQL: `table` maps names to implementations, the other files implement them on frames and
//! windows.

mod histogram;
mod labels;
mod math;
mod over_time;
mod rate;
mod regression;
mod table;
mod time;
mod windows;

pub(super) use labels::vector;
pub(super) use math::{check_levels, quantile};
pub(super) use table::{Arguments, EXPERIMENTAL, FUNCTIONS, Function, FunctionBody, IN_DURATIONS, find_function};
