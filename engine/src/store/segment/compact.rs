//! Runs a compaction: rotates the active segments, merges, updates rollups, applies retention, writes a checkpoint.

use std::sync::Arc;

use almanac_models::Timestamp;
use duckdb::Connection;

use super::{
    Segment, SegmentKind, block,
    build::build,
    plan::{self, Merge},
    reclaim,
    retention::{self, Retention},
    rollup,
    swap::{self, Staged},
};
use crate::store::{
    Compaction, CompactionReport, StoreError,
    error::failed_to,
    shared::{CHECKPOINT_WAIT, Shared, count},
    write::{ROW_BYTES, check_disk_space},
};

/// Compacts the segments that are due, or all of them, and returns counts of the work done. `allow_drop`: retention may
/// delete any share of the rows.
pub(in crate::store) fn compact(
    shared: &Arc<Shared>,
    now: Timestamp,
    what: Compaction,
    allow_drop: bool,
) -> Result<CompactionReport, StoreError> {
    let _one_at_a_time = shared.compacting.lock();
    let now = now.millis();
    let all = what == Compaction::All;
    rotate_if_due(shared, now, all)?;
    let connection = shared.readers.connect()?;
    let retention = retention::plan(shared, &connection, now, allow_drop)?;
    let rows_held = retention.held;
    let mut compaction =
        CompactionRun { connection, shared, now, raw_cutoff: retention.samples, report: CompactionReport::default() };
    // A segment that cannot be merged, since a block is damaged, must not keep retention from what has expired.
    let merged = compaction.merge_due(all);
    compaction.expire(all, retention)?;
    merged?;
    let report = compaction.report;
    drop(compaction);
    let has_worked = report != CompactionReport::default() || all;
    if has_worked || is_log_large(shared) {
        let written = shared.checkpoint(CHECKPOINT_WAIT);
        // A read that keeps the checkpoint from being written needs the old rows too: moving rows would only add to them.
        let can_reclaim = all && !matches!(written, Err(StoreError::Reading));
        match written {
            // A full compaction is requested to reclaim space, so the caller must learn that it failed.
            Err(error @ StoreError::DiskFull { .. }) if all => return Err(error),
            // The log still contains all data; the next compaction retries.
            Err(StoreError::Reading) => tracing::debug!("the checkpoint after a compaction waits for a long read"),
            Err(error @ (StoreError::Database { .. } | StoreError::DiskFull { .. })) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "checkpoint after compaction failed");
            }
            other => other?,
        }
        if can_reclaim {
            reclaim::reclaim_space(shared, &shared.readers.connect()?)?;
        }
        if has_worked {
            count(&shared.counters.compactions, 1);
        }
    }
    Ok(CompactionReport { rows_held, ..report })
}

/// Returns whether the writer has put a checkpoint off, because one failed or a compaction ran.
fn is_log_large(shared: &Shared) -> bool {
    shared.log_path().metadata().is_ok_and(|log| log.len() >= shared.options.log_bytes)
}

/// Freezes the active segments if they are due, else stores the time of the hot segment's first rows.
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

/// State of a running compaction.
struct CompactionRun<'a> {
    /// Connection for building segments; the writer's connection swaps them in.
    connection: Connection,
    shared: &'a Arc<Shared>,
    now: i64,
    raw_cutoff: Option<i64>,
    report: CompactionReport,
}

impl CompactionRun<'_> {
    fn cold(&self) -> Vec<Segment> {
        self.shared.layout.read().frozen_of(SegmentKind::Cold)
    }

    /// Merges what is due. Frozen hot and late segments come first: later merges see cold segments only.
    fn merge_due(&mut self, all: bool) -> Result<(), StoreError> {
        self.move_frozen()?;
        for merge in plan::emptied(&self.cold()) {
            self.merge(&merge)?;
        }
        if all {
            for merge in plan::full_merges(&self.cold()) {
                self.merge(&merge)?;
            }
        }
        while let Some(merge) = plan::due_merge(&self.cold()) {
            self.merge(&merge)?;
        }
        Ok(())
    }

    /// Merges frozen hot and late segments into a cold one, together with the cold segments that late samples change.
    fn move_frozen(&mut self) -> Result<(), StoreError> {
        let layout = self.shared.layout.read().clone();
        let mut merge = Merge { base: layout.frozen_of(SegmentKind::Hot), late: layout.frozen_of(SegmentKind::Late) };
        if merge.base.is_empty() && merge.late.is_empty() {
            return Ok(());
        }
        let moved = merge.base.iter().chain(&merge.late).map(|segment| segment.rows).sum::<u64>();
        // A cold segment that shares a sample with a late one must take part: cold segments contain a sample at most
        // once.
        for run in layout.cold() {
            if self.is_changed(&run, &merge.late)? {
                merge.base.push(run);
            }
        }
        swap::stage_spans(&self.connection, &merge)?;
        self.finish(&merge, true)?;
        self.report.samples_moved += moved;
        Ok(())
    }

    /// Returns whether a cold segment contains the series and timestamp of a late row.
    fn is_changed(&self, run: &Segment, late: &[Segment]) -> Result<bool, StoreError> {
        for late in late.iter().filter(|late| late.overlaps(run.min, run.max)) {
            let samples = match run.kind {
                // Only the blocks that a late row lies within are decoded.
                SegmentKind::Cold => block::samples_of(
                    &format!(
                        "(FROM {} AS block WHERE EXISTS (FROM {} AS late WHERE late.series_id = block.series_id
                             AND late.timestamp BETWEEN block.begin_at AND block.end_at))",
                        run.table(),
                        late.table()
                    ),
                    "series_id, timestamp",
                    "",
                ),
                SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => run.table(),
            };
            let sql = format!(
                "SELECT EXISTS (FROM {} SEMI JOIN {samples} AS cold USING (series_id, timestamp))",
                late.table()
            );
            let changed: bool =
                self.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("find repeated samples"))?;
            if changed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn merge(&mut self, merge: &Merge) -> Result<(), StoreError> {
        self.finish(merge, false)
    }

    /// Builds a merge and replaces its segments with the result. `has_new`: the merge contains new samples, so that
    /// rollups and spans are staged and swapped in with it.
    fn finish(&mut self, merge: &Merge, has_new: bool) -> Result<(), StoreError> {
        check_disk_space(&self.shared.path, self.bytes_to_write(merge)?, "compaction")?;
        let id = self.shared.layout.write().take_id();
        let expired =
            self.raw_cutoff.map_or(Ok(false), |cutoff| rollup::stage_expired(&self.connection, merge, cutoff))?;
        let built = build(&self.connection, merge, id, self.raw_cutoff, |_| ())?;
        if has_new {
            let layout = self.shared.layout.read().clone();
            rollup::stage(&self.connection, &layout, merge, built.run.as_ref(), self.raw_cutoff)?;
        }
        let staged = Staged { new: has_new, expired };
        let report = &mut self.report;
        report.segments_written += u64::from(built.run.is_some());
        report.segments_dropped += (merge.base.len() + merge.late.len()) as u64;
        report.samples_replaced += built.replaced;
        report.samples_expired += built.expired;
        let (merge, run) = (merge.clone(), built.run);
        report.rollups_written += self.shared.on_writer(move |writer| swap::swap(writer, &merge, run, staged))?;
        Ok(())
    }

    /// Returns an upper bound of the bytes of the new segment: the blocks of cold segments, which merges do not make
    /// larger, and uncompressed rows of the others.
    fn bytes_to_write(&self, merge: &Merge) -> Result<u64, StoreError> {
        let mut bytes: u64 = 0;
        for segment in merge.all() {
            bytes = bytes.saturating_add(match segment.kind {
                SegmentKind::Cold => block::stored_bytes(&self.connection, &segment.table())?,
                SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => segment.rows.saturating_mul(ROW_BYTES),
            });
        }
        Ok(bytes)
    }

    /// Applies retention: rewrites or drops expired cold segments, then deletes expired rows of the other tables.
    fn expire(&mut self, all: bool, retention: Retention) -> Result<(), StoreError> {
        if let Some(cutoff) = self.raw_cutoff {
            let layout = self.shared.layout.read().clone();
            for merge in plan::expired(&layout, cutoff, self.now, all) {
                self.merge(&merge)?;
            }
            self.shared.recent.write().expire(cutoff);
        }
        self.shared.on_writer(move |writer| swap::expire_rows(writer, &retention))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        series::{Labels, SampleSource},
        store::{SampleBatch, Store, StoreOptions},
    };

    #[test]
    fn a_compaction_during_a_long_read_leaves_the_checkpoint_to_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let up = store.resolve(&Labels::from_pairs([("__name__", "up")]).unwrap()).unwrap();
        let mut batch = SampleBatch::default();
        (0..5_000).for_each(|at| batch.push(up, at * 1_000, 0.5));
        store.append(batch).unwrap().wait().unwrap();
        let shared = &store.0.shared;
        let reading = shared.readers.connect().unwrap();
        reading.execute_batch("BEGIN TRANSACTION READ ONLY; SELECT count(*) FROM store.series").unwrap();
        let now = Timestamp::from_millis(5_000_000);
        let report = store.compact(now, Compaction::All).unwrap();
        assert_eq!(report.samples_moved, 5_000);
        assert!(matches!(shared.checkpoint(Duration::ZERO), Err(StoreError::Reading)));
        assert_eq!(store.select(&[], i64::MIN, i64::MAX, 10_000).unwrap()[0].timestamps.len(), 5_000);
        reading.execute_batch("ROLLBACK").unwrap();
        store.compact(now, Compaction::All).unwrap();
        assert_eq!(shared.log_path().metadata().map_or(0, |log| log.len()), 0, "the log is merged");
        store.close().unwrap();
    }

    #[test]
    fn a_checkpoint_waits_for_a_read_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let shared = Arc::clone(&store.0.shared);
        let reading = shared.readers.connect().unwrap();
        reading.execute_batch("BEGIN TRANSACTION READ ONLY; SELECT count(*) FROM store.series").unwrap();
        shared
            .on_writer(|writer| {
                writer.transaction(|connection| {
                    connection
                        .execute_batch("CREATE TABLE store.a(b INTEGER); DROP TABLE store.a")
                        .map_err(failed_to("test"))
                })
            })
            .unwrap();
        assert!(matches!(shared.checkpoint(Duration::ZERO), Err(StoreError::Reading)));
        let ended = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            reading.execute_batch("ROLLBACK").unwrap();
        });
        shared.checkpoint(Duration::from_secs(60)).unwrap();
        ended.join().unwrap();
        store.close().unwrap();
    }
}
