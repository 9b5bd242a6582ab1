//! The reading side: samples of selected series out of memory and segments, deduplicated.

mod batches;
mod newest;
mod select;

pub(super) use batches::{for_each_batch, for_each_batch_with};
pub(super) use newest::newest_until;
pub(super) use select::{instant, select};
