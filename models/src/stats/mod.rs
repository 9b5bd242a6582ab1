//! Robust statistics, window means and small linear algebra, shared by all kernels.

mod line;
mod linear;
mod robust;
mod trend;
mod windows;

pub use line::{CostLine, WeightedPoint};
pub use linear::solve_spd;
pub use robust::{mad, mean, median, quantile, quantile_sorted};
pub use trend::Trend;
pub(crate) use windows::WindowMeans;
