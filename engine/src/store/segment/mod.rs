//! Segments: the tables in which samples lie, and how compaction turns hot and late ones into cold
//! ones.

mod compact;
mod layout;

pub(super) use compact::compact;
pub(super) use layout::{Layout, Segment, SegmentKind};
