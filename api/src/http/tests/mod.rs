//! Tests of the whole router on a store with an hour of telemetry.

mod access;
mod grafana;
mod operate;
mod page;
mod prometheus;
mod promql;
mod request_id;
mod rows;
mod service;
mod sql;
mod toy;

pub(super) use service::{END_MS, Reply, TestService};
