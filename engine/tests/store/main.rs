//! Tests of the store's public interface on real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod append;
mod blocks;
mod collected;
mod compaction;
mod delete;
mod files;
mod histograms;
mod model;
mod recovery;
mod repair;
mod retention;
mod rows;
mod sql;
mod support;
mod versions;
