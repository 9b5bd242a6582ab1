//! The bench of ingest and queries: it sends a stream of remote write to the real server and writes tables of the
//! results.

mod queries;
mod report;
mod run;
mod sender;
mod server;
mod stream;

pub use report::{Report, Section};
pub use run::{Options, Outcome, run};
pub use stream::Shape;
