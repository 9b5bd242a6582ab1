//! The bench of ingest and queries: the real server, a real stream of remote write, and tables of
//! what was measured.

mod queries;
mod report;
mod run;
mod sender;
mod server;
mod stream;

pub use report::{Report, Section};
pub use run::{Options, Outcome, run};
pub use stream::Shape;
