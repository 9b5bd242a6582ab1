//! Functions on frames and windows, one room per kind.

mod histogram;
mod labels;
mod math;
mod over_time;
mod rate;
mod regression;
mod summation;
mod time;

pub(super) use histogram::{histogram_fraction, histogram_quantile};
pub(super) use labels::{absent, label_join, label_replace, scalar, sort_by_label, sort_by_value, vector};
pub(super) use math::{clamp, quantile, round, unary};
pub(super) use over_time::{over_time, present, quantile_over_time};
pub(super) use rate::rate;
pub(super) use regression::{double_exponential_smoothing, predict_linear};
pub(super) use summation::{Kahan, Mean};
pub(super) use time::calendar;
