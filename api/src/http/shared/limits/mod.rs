//! Budgets of requests: lanes for their work, and memory for their bodies and answers.

mod budget;
mod in_flight;
mod lanes;

pub use budget::{Budget, Reserved};
pub(crate) use in_flight::bound_bodies;
pub use lanes::{Lane, Lanes};
