//! The store as its users hold it, and what its parts share.

pub(super) mod known;
mod rows;
pub(super) mod shared;
mod stats;
mod store;

pub use stats::StoreStats;
pub use store::Store;
