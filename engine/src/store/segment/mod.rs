//! Segments: the tables that contain samples, and the compaction of hot and late segments into cold ones.
//!
//! ```text
//! rotate ─► plan ─► build ─► swap ─► expire ─► checkpoint ─► reclaim
//! writer            reader   writer  writer    writer        reader and writer
//! ```
//!
//! [`swap`] also freezes the active segments (rotation). [`plan`] selects the segments to merge. [`build`] writes the
//! new segment on a separate connection while samples keep arriving: it reads the parts of each series, [`merge`] joins them,
//! and [`block`] encodes the result. [`swap`] replaces the old segments in one transaction on the writer thread.
//! [`retention`] decides what has expired. [`reclaim`] shortens the file. [`delete`](mod@delete) removes samples on
//! request, [`convert`](mod@convert) replaces the segments of releases before schema version 8, and [`check`](mod@check) reads everything.
//! An interrupted compaction leaves a table that is not in the list of segments; the next opening drops it.

mod block;
mod build;
mod check;
mod compact;
mod convert;
mod delete;
mod layout;
mod merge;
mod plan;
mod reclaim;
mod retention;
mod rollup;
mod swap;

pub(super) use block::{
    Block, BlockRef, COLUMNS as BLOCK_COLUMNS, DEFINITION as BLOCK_DEFINITION, each as each_block,
    register as register_functions,
};
pub(super) use build::damaged;
pub use check::{CheckReport, Damage};
pub(super) use check::{check, flaw};
pub(super) use compact::compact;
pub(super) use convert::convert;
pub(super) use delete::delete;
pub(super) use layout::{Segment, SegmentKind, SegmentLayout};
pub(super) use retention::Held;
pub(super) use rollup::{fine_bucket, fine_buckets, insert_missing_hours};
