//! `make soak`: the real service under ingest, compaction, retention, learning and queries at once, judged by whether memory,
//! disk and the rest stay flat.
//!
//! `plan` says which samples there are, `service` starts the binary and talks to it, `load` sends and asks, `probe` samples
//! the process, `flat` judges the growth, `compare` the stored samples, `report` renders the document.

mod command;
mod compare;
mod flat;
mod load;
mod plan;
mod probe;
mod report;
mod run;
mod service;

pub use command::write;
