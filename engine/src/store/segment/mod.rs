//! Segments: the tables that hold samples, and how compaction turns hot and late ones into cold ones.
//!
//! [`plan`] decides which segments become one; [`build`] writes the new one on a connection of its own while samples keep
//! arriving; [`swap`] replaces the old ones with it, on the writer's thread and in one transaction; `reclaim` shortens the
//! file; `delete` removes samples that nobody wants. A compaction that is interrupted leaves a table that no list names, and
//! the next opening drops it.

mod build;
mod compact;
mod delete;
mod layout;
mod plan;
mod reclaim;
mod rollup;
mod swap;

pub(super) use compact::compact;
pub(super) use delete::delete;
pub(super) use layout::{Layout, Segment, SegmentKind};
