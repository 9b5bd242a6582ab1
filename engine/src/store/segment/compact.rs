//! Runs a compaction: freezes, merges, rolls up, applies retention and writes a checkpoint.

use std::sync::Arc;

use almanac_models::Timestamp;
use duckdb::Connection;

use super::{
    Segment, SegmentKind,
    build::build,
    plan::{self, Merge},
    reclaim, rollup, swap,
};
use crate::store::{
    Compaction, CompactionReport, StoreError,
    error::failed_to,
    shared::{Shared, count},
    write::{ROW_BYTES, check_room},
};

/// Freezes what is due, merges it, rolls it up, applies retention and writes a checkpoint.
pub(in crate::store) fn compact(
    shared: &Arc<Shared>,
    now: Timestamp,
    what: Compaction,
) -> Result<CompactionReport, StoreError> {
    let _one_at_a_time = shared.compacting.lock();
    let now = now.millis();
    let all = what == Compaction::All;
    rotate_if_due(shared, now, all)?;
    let mut job = Job {
        connection: shared.readers.connect()?,
        shared,
        now,
        raw_cutoff: shared.options.retention_raw_ms.map(|age| now.saturating_sub(age)),
        report: CompactionReport::default(),
    };
    job.move_frozen()?;
    for merge in plan::emptied(&job.cold()) {
        job.merge(&merge)?;
    }
    if all {
        for merge in plan::full_merges(&job.cold()) {
            job.merge(&merge)?;
        }
    }
    while let Some(merge) = plan::due_merge(&job.cold()) {
        job.merge(&merge)?;
    }
    job.expire(all, shared.options.retention_rollup_ms.map(|age| now.saturating_sub(age)))?;
    let report = job.report;
    drop(job);
    if report != CompactionReport::default() || all {
        match shared.on_writer(|writer| writer.checkpoint()) {
            // Whoever asks for everything wants space back, and has to hear that it did not come.
            Err(error @ StoreError::DiskFull { .. }) if all => return Err(error),
            // The log still has everything; the next compaction tries again.
            Err(error @ (StoreError::Database { .. } | StoreError::DiskFull { .. })) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no checkpoint after a compaction");
            }
            other => other?,
        }
        if all {
            reclaim::give_back(shared, &shared.readers.connect()?)?;
        }
        count(&shared.counters.compactions, 1);
    }
    Ok(report)
}

fn rotate_if_due(shared: &Arc<Shared>, now: i64, all: bool) -> Result<(), StoreError> {
    let hot_rows = shared.options.hot_rows;
    shared.on_writer(move |writer| {
        let layout = writer.shared.layout.read().clone();
        if all || plan::is_rotation_due(&layout, now, hot_rows) {
            swap::rotate(writer, now)
        } else if layout.hot_since.is_none() && layout.hot.rows + layout.late.rows > 0 {
            swap::note_since(writer, now)
        } else {
            Ok(())
        }
    })
}

/// A compaction under way.
struct Job<'a> {
    /// Builds what the writer then puts in place.
    connection: Connection,
    shared: &'a Arc<Shared>,
    now: i64,
    raw_cutoff: Option<i64>,
    report: CompactionReport,
}

impl Job<'_> {
    fn cold(&self) -> Vec<Segment> {
        self.shared.layout.read().frozen_of(SegmentKind::Cold)
    }

    /// Moves frozen hot and late segments into a cold one, together with the cold ones that late samples change.
    fn move_frozen(&mut self) -> Result<(), StoreError> {
        let layout = self.shared.layout.read().clone();
        let mut merge = Merge { base: layout.frozen_of(SegmentKind::Hot), late: layout.frozen_of(SegmentKind::Late) };
        if merge.base.is_empty() && merge.late.is_empty() {
            return Ok(());
        }
        let moved = merge.base.iter().chain(&merge.late).map(|segment| segment.rows).sum::<u64>();
        for run in layout.frozen_of(SegmentKind::Cold) {
            if self.is_changed(&run, &merge.late)? {
                merge.base.push(run);
            }
        }
        swap::stage_spans(&self.connection, &merge)?;
        self.finish(&merge, true)?;
        self.report.samples_moved += moved;
        Ok(())
    }

    /// Whether a cold run holds a late sample as well.
    fn is_changed(&self, run: &Segment, late: &[Segment]) -> Result<bool, StoreError> {
        for late in late.iter().filter(|late| late.overlaps(run.min, run.max)) {
            let sql =
                format!("SELECT EXISTS (FROM {} SEMI JOIN {} USING (series_id, timestamp))", late.table(), run.table());
            let changed: bool = self
                .connection
                .query_row(&sql, [], |row| row.get(0))
                .map_err(failed_to("look for samples that came again"))?;
            if changed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn merge(&mut self, merge: &Merge) -> Result<(), StoreError> {
        self.finish(merge, false)
    }

    /// Builds a merge and replaces its segments with the result.
    fn finish(&mut self, merge: &Merge, staged: bool) -> Result<(), StoreError> {
        let rows: u64 = merge.base.iter().chain(&merge.late).map(|segment| segment.rows).sum();
        check_room(&self.shared.path, rows.saturating_mul(ROW_BYTES), "compaction")?;
        let id = self.shared.layout.write().take_id();
        let built = build(&self.connection, merge, id, self.raw_cutoff)?;
        if staged {
            let layout = self.shared.layout.read().clone();
            rollup::stage(&self.connection, &layout, merge, built.run.as_ref(), self.raw_cutoff)?;
        }
        let report = &mut self.report;
        report.segments_written += u64::from(built.run.is_some());
        report.segments_dropped += (merge.base.len() + merge.late.len()) as u64;
        report.samples_replaced += built.replaced;
        report.samples_expired += built.expired;
        let (merge, run) = (merge.clone(), built.run);
        report.rollups_written += self.shared.on_writer(move |writer| swap::swap(writer, &merge, run, staged))?;
        Ok(())
    }

    /// Applies retention.
    fn expire(&mut self, all: bool, rollup_cutoff: Option<i64>) -> Result<(), StoreError> {
        if let Some(cutoff) = self.raw_cutoff {
            let layout = self.shared.layout.read().clone();
            for merge in plan::expired(&layout, cutoff, self.now, all) {
                self.merge(&merge)?;
            }
            self.shared.recent.write().expire(cutoff);
        }
        let raw_cutoff = self.raw_cutoff;
        if raw_cutoff.is_some() || rollup_cutoff.is_some() {
            self.shared.on_writer(move |writer| swap::expire_rows(writer, raw_cutoff, rollup_cutoff))?;
        }
        Ok(())
    }
}
