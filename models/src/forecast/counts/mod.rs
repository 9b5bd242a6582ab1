//! Forecasts of sparse counts: a mean that follows level and season, with a negative binomial distribution around it.

mod distribution;
mod mean;
mod model;

pub(super) use distribution::CountDistribution;
pub(super) use model::CountModel;
