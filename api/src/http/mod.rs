//! The HTTP API: one folder for each group of routes, each of which exports `routes()`.

pub mod advice;
pub mod external_metrics;
pub mod grafana;
mod guard;
pub mod ingest;
mod mcp;
pub mod notices;
pub mod operate;
mod otlp;
mod page;
pub mod prometheus;
pub mod recommendations;
mod router;
pub mod rows;
mod shared;
pub mod sql;
#[cfg(test)]
mod tests;

pub(crate) use guard::time_out_slow_bodies;
pub(crate) use ingest::{ImportBody, remove_spooled};
pub(crate) use notices::data as notice_data;
pub(crate) use operate::{
    CompactionBody, CycleBody, DeleteBody, DeletionBody, Exported, PART_FROM, SAMPLES, count_requests, deletion,
    exported,
};
pub(crate) use otlp::{RpcStatus, answer, code_of, receive, retry_details};
pub(crate) use recommendations::recommended_replicas;
pub use router::{openapi, router};
pub(crate) use rows::{all_expected_breaches, judged_targets};
pub use shared::{
    ApiError, AppState, Budget, Clock, ErrorBody, ErrorDetail, Lane, Lanes, Leap, LeapGuard, LenientConnection, Params,
    Reserved, SharedRules, StateError, ingest_limits, now,
};
pub(crate) use shared::{bound_bodies, identify, iso, panicked, request_span, scheduler};
pub(crate) use sql::{
    Encoding as SqlEncoding, Expressions as SqlExpressions, cell_json, cell_text, encode as encode_sql,
};
