//! Base models side by side: fitted on one history, foretelling from rolling origins, combined, calibrated.

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

pub(super) use ensemble::{Again, Ensemble, Members, Periods, State, Views};
pub(super) use experts::{GRID, Outcome, PhaseSpread, Quantiles, at_probability, weighted};
pub(super) use lead_errors::LeadErrors;
pub(super) use leads::anchors;
pub(super) use median::median_course;
pub(super) use predictive::{History, Place, Predictive};
pub(super) use random_walk::RandomWalk;
pub(super) use rolling::{Layout, Origin, origins, roll};
pub(super) use weights::Combination;
