//! Segments: the tables in which samples lie, and how compaction turns hot and late ones into cold
//! ones.
//!
//! [`plan`] decides which segments become one; [`build`] writes the new one on a connection of its
//! own while samples go on arriving; [`swap`] puts it in the place of the old ones, on the writer's
//! thread and in one transaction; `reclaim` shortens the file. What is cut off in between leaves a
//! table that no list names, and the next opening drops it.

mod build;
mod compact;
mod layout;
mod plan;
mod reclaim;
mod rollup;
mod swap;

pub(super) use compact::compact;
pub(super) use layout::{Layout, Segment, SegmentKind};
