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
        work: Box::new(|state| {
            let report = state.store.compact(state.clock.now(), Compaction::Due)?;
            if report != CompactionReport::default() {
                tracing::info!(?report, "compacted");
            }
            Ok(())
        }),
    }
}
