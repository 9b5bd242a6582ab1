//! Reads samples of selected series from memory and segments, deduplicated.

mod batches;
mod block_cache;
mod histograms;
mod newest;
mod older;
mod rollup;
mod segments;
mod select;

pub(super) use batches::{for_each_batch, for_each_batch_with};
pub(super) use block_cache::BlockCache;
pub(super) use histograms::select_histograms;
pub(super) use newest::newest_until;
pub(super) use older::load_older;
pub(super) use rollup::rollups;
pub use rollup::{ROLLUP_MS, RollupValue};
pub(super) use select::{instant, select};
