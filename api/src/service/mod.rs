//! The running service: serves HTTP, runs background tasks on schedule, and shuts down in order.

mod check;
mod listen;
mod reload;
mod run;
mod schedule;
mod signals;
mod tasks;
mod workers;

pub use check::start_faults;
pub use listen::TlsError;
pub use run::{ServiceError, open_store, serve, serve_advising, store_options};
pub use tasks::Advised;
pub use workers::{Decoder, Program, start_sql_workers};
