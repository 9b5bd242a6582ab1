//! What every scenario uses: the expected content of a store, the service as a process, the load on it, and the shim between it and its disk and clock.

mod load;
mod model;
mod service;
mod shim;

pub(super) use load::{AFTER_ALL_MS, Load, Sent, locked, start};
pub(super) use model::{Batch, Model, Sample};
pub(super) use service::{Answer, Handle, Service, Setup};
pub(super) use shim::{CallClass, Field, Shim};
