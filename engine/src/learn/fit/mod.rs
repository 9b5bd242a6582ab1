//! One fit as an owned job: samples and options in, rows out. The learner creates jobs, an executor runs them.

mod executor;
mod failure;
mod gaps;
mod job;
mod pool;
mod scorer;

pub use executor::{FitExecutor, ThreadExecutor};
pub use failure::FitError;
pub use job::{FitJob, FitOptions, FitResult};
pub(super) use job::{detector, unfitted_row};
pub(super) use pool::run_pool;
pub(super) use scorer::Scorer;
