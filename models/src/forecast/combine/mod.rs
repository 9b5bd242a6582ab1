//! Combination of base models: fit on one history, evaluation from rolling origins, weights, calibrated quantiles.

mod ensemble;
mod experts;
mod lead_errors;
mod leads;
mod median;
mod predictive;
mod random_walk;
mod rolling;
mod tracker;
mod weights;

pub(super) use ensemble::{Ensemble, MemberSelection, MemberState, Periods, RefitMode, TransformedHistories};
pub(super) use experts::{OriginOutcome, PROBABILITIES, PhaseSpread, Quantiles, quantile_at, weighted_quantiles};
pub(super) use lead_errors::LeadErrors;
pub(super) use leads::anchors;
pub(super) use median::median_course;
pub(super) use predictive::{ExpertHistory, Predictive, QuantileQuery};
pub(super) use random_walk::RandomWalk;
pub(super) use rolling::{OriginForecasts, OriginLayout, origins, roll};
pub(super) use weights::Combination;
