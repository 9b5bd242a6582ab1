//! The HTTP API: one folder for each group of routes, each of which exports `routes()`.

pub mod advice;
pub mod grafana;
mod guard;
pub mod ingest;
pub mod notices;
pub mod operate;
mod page;
pub mod prometheus;
pub mod recommendations;
mod router;
pub mod rows;
mod shared;
pub mod sql;
#[cfg(test)]
mod tests;

pub(crate) use ingest::{ImportBody, remove_spooled};
pub(crate) use notices::data as notice_data;
pub(crate) use operate::{CompactionBody, CycleBody, DeleteBody, DeletionBody, deletion};
pub use router::{openapi, router};
pub(crate) use rows::all_expected_breaches;
pub use shared::{
    ApiError, AppState, Budget, Clock, ErrorBody, ErrorDetail, Lane, Lanes, Leap, LeapGuard, LenientConnection, Params,
    Reserved, StateError, ingest_limits, now,
};
pub(crate) use shared::{iso, scheduler};
pub(crate) use sql::{Encoding as SqlEncoding, cell_json, cell_text, encode as encode_sql};
