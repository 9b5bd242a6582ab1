//! Small robust statistics and the linear algebra that the kernels share.

mod linear;
mod robust;
mod windows;

pub use linear::solve_spd;
pub use robust::{mad, mean, median, quantile, quantile_sorted};
pub(crate) use windows::WindowMeans;
