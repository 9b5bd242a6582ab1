//! Predicts waits at other numbers of connections from the facts of a pool: the load over time, how much arrivals come in
//! batches, and the simulation of both.

mod calibrate;
mod load;
mod predict;

pub(super) use calibrate::{Calibration, calibrate};
pub(super) use load::{ASSUMED_VARIATION, PoolLoad};
pub(super) use predict::{PoolModel, Prediction};
