//! Shared by all routes: state, errors, parameters, times.

mod error;
mod large;
mod mapping;
mod params;
mod pattern;
mod request_line;
mod reshape;
mod state;
mod time;

pub use error::{ApiError, ErrorBody, ErrorDetail};
pub(super) use large::refuse_large_bodies;
pub use params::Params;
pub(crate) use pattern::escape_pattern;
pub use request_line::LenientConnection;
pub(super) use reshape::{panicked, reshape_errors, unknown_path};
pub(crate) use state::scheduler;
pub use state::{AppState, Clock, StateError, ingest_limits, now};
pub(crate) use time::{iso, parse_duration_ms, parse_time};
