//! The task `compact`: compaction, rollups and retention.

use almanac_engine::store::{Compaction, CompactionReport};

use super::Task;
use crate::config::Config;

/// Builds the task, which does only the work that is due.
pub(super) fn task(config: &Config) -> Task {
    let every = config.store.compact_every.duration();
    Task {
        name: "compact",
        first: every,
        every,
        work: Box::new(|state, now| {
            let report = state.store.compact(now, Compaction::Due)?;
            // The store logs what it holds.
            if (CompactionReport { rows_held: 0, ..report }) != CompactionReport::default() {
                tracing::info!(?report, "compacted");
            }
            Ok(())
        }),
    }
}
