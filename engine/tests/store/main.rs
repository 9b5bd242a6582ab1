//! The store as its users see it: on real files, opened, filled, closed and opened again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod append;
mod collected;
mod compaction;
mod delete;
mod document;
mod files;
mod model;
mod rows;
mod sql;
mod support;
