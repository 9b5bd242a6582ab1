//! What callers hold: the store itself, and what its clones, its writer and its readers share.

pub(super) mod shared;
mod stats;
mod store;

pub use stats::StoreStats;
pub use store::Store;
