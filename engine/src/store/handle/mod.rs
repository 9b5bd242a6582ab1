//! The public handle [`Store`], and the state that its clones, the writer and the readers share.

pub(super) mod cache;
mod copies;
mod database;
mod notices;
mod rows;
pub(super) mod shared;
mod source;
mod sql;
mod stats;
mod store;
mod traced;

pub use stats::StoreStats;
pub use store::Store;
