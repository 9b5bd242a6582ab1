//! The whole router on a store with an hour of telemetry: every answer, as callers see it.

mod grafana;
mod operate;
mod prometheus;
mod rows;
mod scene;
mod sql;
mod toy;

pub(super) use scene::{END_MS, Reply, Scene};
