//! Shared by all routes: state, errors, parameters, times.

mod error;
mod large;
mod leap;
mod limits;
mod mapping;
mod params;
mod parts;
mod pattern;
mod request_id;
mod request_line;
mod reshape;
mod state;
mod time;

pub use error::{ApiError, ErrorBody, ErrorDetail};
pub(super) use large::{query_limit, refuse_large_bodies};
pub use leap::{Leap, LeapGuard};
pub(crate) use limits::bound_bodies;
pub use limits::{Budget, Lane, Lanes, Reserved};
pub use params::Params;
pub(super) use parts::{PART_BYTES, body_of, parts_of};
pub(crate) use pattern::escape_pattern;
pub(crate) use request_id::{REQUEST_ID, identify, request_span, spawn_blocking};
pub use request_line::LenientConnection;
pub(crate) use reshape::panicked;
pub(super) use reshape::{reshape_errors, unknown_path};
pub(crate) use state::scheduler;
pub use state::{AppState, Clock, SharedRules, StateError, ingest_limits, now};
pub(crate) use time::{iso, parse_duration_ms, parse_time};
