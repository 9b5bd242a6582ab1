//! The HTTP interface: one folder or file a group of routes, each exporting `routes()`.

pub mod ingest;
pub mod recommendations;

mod error;
mod router;
mod state;

pub use error::{ApiError, ErrorBody};
pub use router::{openapi, router};
pub use state::{AppState, Clock, now};
