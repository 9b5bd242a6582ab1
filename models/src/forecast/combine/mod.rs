//! Base models side by side: fitted on one history, foretelling from rolling origins, combined, calibrated.

mod calibrate;
mod ensemble;
mod median;
mod rolling;
mod tracker;

pub(super) use calibrate::{Calibration, Errors};
pub(super) use ensemble::{Ensemble, Views};
pub(super) use median::median_course;
pub(super) use rolling::{Layout, Origin, origins, roll};
pub(super) use tracker::Tracker;
