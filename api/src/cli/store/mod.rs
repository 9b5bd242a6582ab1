//! Commands on a store that no other process has open, or on a running service with `--url`.

pub mod compact;
pub mod delete;
pub mod import;
pub mod learn;
mod place;
pub mod recommend;
mod remote;
pub mod sql;

pub use place::{Place, PlaceArgs, StoreArgs};
pub use remote::{Answer, Remote};
