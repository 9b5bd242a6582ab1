//! Base models: seasonal naive, profile by phase, ridge autoregression, exponential smoothing, decomposition, growth.

mod growth;
mod holt_winters;
mod mstl;
mod naive;
mod profile;
mod regression;
mod seasonal;
mod seasonal_naive;
mod smoothing;
mod spread;

pub(crate) use growth::{FittedGrowth, Growth};
pub(crate) use holt_winters::{SearchStart, SmoothingState, SmoothingWeights, search};
pub use mstl::{FittedMstl, Mstl};
pub(crate) use naive::{drift, seasonal_mean, seasonal_naive};
pub(crate) use profile::{FittedProfile, SeasonalProfile};
pub(crate) use regression::{FittedRidgeAr, RidgeAr, prefix_sums};
pub use seasonal::{FittedHoltWinters, HoltWinters};
pub use seasonal_naive::{FittedSeasonalNaive, SeasonalNaive};
pub use smoothing::{Ets, FittedEts};
