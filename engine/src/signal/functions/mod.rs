//! Functions on frames and windows, a file for each kind, and the table that names them.

mod histogram;
mod labels;
mod math;
mod over_time;
mod rate;
mod regression;
mod summation;
mod table;
mod time;

pub(super) use labels::vector;
pub(super) use math::quantile;
pub(super) use summation::{Kahan, Mean};
pub(super) use table::{Arguments, Body, FUNCTIONS, Function, NOT_EVALUATED, named};
