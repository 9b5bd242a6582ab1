//! The writer thread: commits groups of samples, and runs tasks of other threads between them.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use arrow::{
    array::{MapBuilder, RecordBatch, StringBuilder, UInt32Array},
    datatypes::{DataType, Field, Schema},
};
use duckdb::Connection;

use super::{
    Appended, Destination, LateColumns, ReceiptSender, RecentSamples, SampleBatch, SampleColumns, canonical,
    disk_space::check_disk_space,
    insert::{Inserter, append},
    queue::Work,
};
use crate::store::{
    StoreError,
    error::failed_to,
    file::{Committed, StateFile},
    rows::histogram::{self, HistogramRow},
    schema,
    shared::{Shared, count},
};

/// Maximum number of late samples in a batch whose samples are added to memory one by one.
const MAX_LATE_ONE_BY_ONE: usize = 32;

/// Time between two attempts to rebuild memory after it could not be rebuilt.
const REPAIR_INTERVAL: Duration = Duration::from_secs(5);

/// State of the writer thread, which owns the connection for appends and transactions.
#[derive(Debug)]
pub(in crate::store) struct Writer {
    pub(in crate::store) connection: Connection,
    pub(in crate::store) shared: Arc<Shared>,
    inserter: Inserter,
    /// Series with smaller numbers are stored on disk.
    persisted: u32,
    /// Series whose row a deletion removed from disk; the row is written again with the next sample.
    emptied: HashSet<u32>,
    /// Sequence number of the next late row.
    next_seq: i64,
    /// Set when memory could not be rebuilt after a failed commit, with the time of the last attempt; samples are
    /// rejected until an attempt succeeds.
    pub(super) broken: Option<(StoreError, Instant)>,
    /// Side file with what was committed.
    state: StateFile,
    /// Bytes of the write-ahead log at which the next checkpoint is due.
    next_checkpoint: u64,
    /// Number of checkpoints at which the log's entry in its folder was made durable.
    listed: Option<u64>,
}

impl Writer {
    pub(in crate::store) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        next_seq: i64,
    ) -> Result<Self, StoreError> {
        let persisted = shared.registry.read().end();
        Ok(Self {
            inserter: Inserter::new(&connection)?,
            connection,
            persisted,
            emptied: HashSet::new(),
            next_seq,
            broken: None,
            state: StateFile::open(&shared.path),
            next_checkpoint: shared.options.log_bytes,
            listed: None,
            shared,
        })
    }

    /// Processes the queue until it is closed and empty, then writes a checkpoint.
    pub(in crate::store) fn run(mut self) {
        let mut last = (0, Duration::ZERO);
        self.note_state();
        loop {
            let work = self.shared.queue.next(last);
            let started = Instant::now();
            // The senders of a group that panics get an error, because its receipts are dropped.
            let done = catch_unwind(AssertUnwindSafe(|| match work {
                Work::Group(group) => {
                    last = (group.len(), Duration::ZERO);
                    self.commit_group(group);
                    last.1 = started.elapsed();
                    self.bound_log();
                    true
                }
                Work::Task(task) => {
                    task(&mut self);
                    self.note_state();
                    self.bound_log();
                    true
                }
                Work::Closed => false,
            }));
            match done {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    tracing::error!("the writer panicked; its transaction is rolled back");
                    let _ = self.connection.execute_batch("ROLLBACK");
                    self.recover();
                }
            }
        }
        if let Err(error) = self.checkpoint() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the final checkpoint failed; all data is in the write-ahead log"
            );
        }
        self.note_state();
    }

    /// Records what is committed in the side file; a log that was removed while it was in use is written to the file.
    fn note_state(&mut self) {
        let shared = Arc::clone(&self.shared);
        let measured = || Some((shared.opened.checkpoints()?, shared.log_path().metadata().map_or(0, |log| log.len())));
        let Some((mut checkpoints, mut log_bytes)) = measured() else { return };
        if shared.opened.gone().is_some() {
            return;
        }
        let mut before =
            self.state.last().filter(|last| last.checkpoints == checkpoints).map_or(0, |last| last.log_bytes);
        if log_bytes < before {
            tracing::error!(
                log = %shared.log_path().display(), bytes = log_bytes, expected = before,
                "the write-ahead log was removed or cut while it was in use; its contents are written to the store's file"
            );
            if let Err(error) = self.checkpoint() {
                tracing::error!(error = &error as &dyn std::error::Error, "that checkpoint failed");
            }
            (checkpoints, log_bytes) = measured().unwrap_or((checkpoints, 0));
            before = 0;
        }
        // A compaction commits on a connection of its own, so that the log may end within a transaction.
        if shared.compacting.try_lock().is_none() {
            log_bytes = before;
        }
        let samples = shared.layout.read().all().map(|segment| segment.rows).sum();
        self.state.write(Committed::new(checkpoints, log_bytes, samples));
    }

    /// Writes a checkpoint when the log is large, unless a compaction runs, which ends with one. While workers run statements,
    /// which would begin anew, the log may become twice as long.
    fn bound_log(&mut self) {
        let log = self.shared.log_path().metadata().map_or(0, |log| log.len());
        let limit = self.shared.options.log_bytes;
        if log < limit {
            self.next_checkpoint = limit;
        }
        let is_read = self.shared.statements.load(Ordering::Acquire) > 0;
        if log < self.next_checkpoint || self.broken.is_some() || (is_read && log < 2 * limit) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // A checkpoint fails while another connection has a transaction that writes.
        let Some(_no_compaction) = shared.compacting.try_lock() else { return };
        match self.checkpoint() {
            Ok(()) => self.note_state(),
            // Everything is in the log; another attempt follows when it has grown as much again.
            Err(error) => {
                self.next_checkpoint = log + limit;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    log_bytes = log,
                    "the log could not be merged"
                );
            }
        }
    }

    /// Writes the contents of the write-ahead log to the file.
    pub(in crate::store) fn checkpoint(&self) -> Result<(), StoreError> {
        self.shared.opened.check()?;
        if self.shared.copying.load(Ordering::Acquire) {
            return Err(StoreError::Copying);
        }
        let log = self.shared.log_path().metadata().map_or(0, |log| log.len());
        check_disk_space(&self.shared.path, log, "a checkpoint")?;
        let written = schema::checkpoint(&self.connection, &self.shared.path, &self.shared.opened);
        self.record_fatal(written)?;
        self.shared.rewritten.store(false, Ordering::Release);
        Ok(())
    }

    /// Makes the log's entry in its folder durable, and the record of what was acknowledged, which belongs to a log of its own after each
    /// checkpoint. DuckDB removes the log with a checkpoint, creates it with the next commit and syncs only its content: after a power
    /// cut the folder might not list it.
    fn list_log(&mut self) -> Result<(), StoreError> {
        let checkpoints = self.shared.opened.checkpoints();
        // Without a log there is nothing to list; the next commit creates it.
        if (checkpoints.is_none() || checkpoints != self.listed) && self.shared.log_path().exists() {
            let last = self.state.last();
            if let Some(now) = checkpoints.filter(|now| last.is_none_or(|last| last.checkpoints != *now)) {
                self.state.write(Committed::new(now, 0, last.map_or(0, |last| last.samples)));
            }
            self.state.sync()?;
            self.shared.opened.sync_folder()?;
            self.listed = checkpoints;
        }
        Ok(())
    }

    /// Records a fatal error of DuckDB for [`Store::stopped`](crate::store::Store::stopped).
    fn record_fatal<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Stopped { detail }) = &result {
            let _ = self.shared.stopped.set(detail.clone());
        }
        result
    }

    /// Runs `work` in one transaction, which is rolled back when it fails.
    pub(in crate::store) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.shared.opened.check()?;
        let begun = Instant::now();
        let result = self
            .connection
            .execute_batch("BEGIN TRANSACTION")
            .map_err(failed_to("begin a transaction"))
            .and_then(|()| work(&self.connection))
            .and_then(|value| self.connection.execute_batch("COMMIT").map_err(failed_to("commit")).map(|()| value))
            // What was committed to a file that was moved meanwhile must not be acknowledged.
            .and_then(|value| self.shared.opened.check().map(|()| value));
        let counters = &self.shared.counters;
        count(&counters.commit_us, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        if result.is_ok() {
            count(&counters.commits, 1);
            // The transaction is done, so that this is no error of it; samples are acknowledged after a further attempt only.
            if let Err(error) = self.list_log() {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a power cut now could lose the write-ahead log"
                );
            }
        } else {
            count(&counters.commits_failed, 1);
            // The rollback fails if the transaction has already ended, which is equivalent.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.record_fatal(result)
    }

    /// Records series that a deletion left without samples and without a row on disk.
    pub(in crate::store) fn note_emptied(&mut self, ids: Vec<u32>) {
        self.shared.registry.write().note_emptied(&ids);
        self.emptied.extend(ids);
    }

    /// Commits a group and resolves its receipts; on an error none of its samples is stored.
    fn commit_group(&mut self, group: Vec<(SampleBatch, ReceiptSender)>) {
        if let Err(error) = self.shared.opened.check().and_then(|()| self.repaired()) {
            for (_, answer) in group {
                answer.send(Err(error.clone()));
            }
            return;
        }
        let rows = group.iter().map(|(batch, _)| batch.series.len()).sum();
        let (batches, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        // Memory is updated before the commit; a failed commit rebuilds it from disk.
        let sorted = self.classify(&batches, rows);
        let returning = self.returning(&batches);
        drop(batches);
        let late_rows = u64::try_from(sorted.late.seq.len()).unwrap_or(u64::MAX);
        let outcome = sorted.outcome;
        match self.commit_rows(sorted.hot, sorted.late, sorted.histograms, &returning) {
            Ok(()) => {
                let counters = &self.shared.counters;
                count(&counters.written, outcome.iter().map(|o| o.written).sum());
                count(&counters.unchanged, outcome.iter().map(|o| o.unchanged).sum());
                count(&counters.late, late_rows);
                // Before the acknowledgement, so that the record never lacks what a sender was told.
                self.note_state();
                // What could not be made durable is stored and not acknowledged: it is sent again, and found to be there.
                let listed = self.list_log();
                for (answer, appended) in answers.into_iter().zip(outcome) {
                    answer.send(listed.clone().map(|()| appended));
                }
                self.evict();
            }
            Err(error) => {
                self.recover();
                for answer in answers {
                    answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Adds the samples to memory and splits them by their destination on disk.
    fn classify(&mut self, batches: &[SampleBatch], rows: usize) -> Classified {
        let mut hot = SampleColumns::with_capacity(rows);
        let mut late = LateColumns::default();
        let mut outcome = Vec::with_capacity(batches.len());
        let end = self.shared.registry.read().end();
        let mut recent = self.shared.recent.write();
        recent.grow(end);
        let mut histograms = Vec::new();
        for batch in batches {
            let mut appended = Appended::default();
            if !batch.histograms.is_empty() {
                let mut known = self.shared.histograms.write();
                let rows = batch.histograms.iter().filter_map(|sample| known.insert(sample));
                let before = histograms.len();
                histograms.extend(rows);
                appended.written = (histograms.len() - before) as u64;
                appended.unchanged = batch.histograms.len() as u64 - appended.written;
            }
            let mut add = |id: u32, timestamp: i64, value: f64, destination: Destination| {
                match destination {
                    Destination::Hot => hot.push(id, timestamp, value),
                    Destination::Late => {
                        late.push(id, timestamp, value, self.next_seq);
                        self.next_seq += 1;
                    }
                    Destination::Unchanged => {
                        appended.unchanged += 1;
                        return;
                    }
                }
                appended.written += 1;
            };
            if is_in_order(batch, &recent) {
                for ((id, &timestamp), &value) in batch.series.iter().zip(&batch.timestamps).zip(&batch.values) {
                    let (id, value) = (id.index(), canonical(value));
                    let destination = recent.insert(id, timestamp, value);
                    add(id, timestamp, value, destination);
                }
            } else {
                for (id, run) in runs_in_order(batch) {
                    let destinations = recent.insert_run(id, &run);
                    for (&(timestamp, value), destination) in run.iter().zip(destinations) {
                        add(id, timestamp, value, destination);
                    }
                }
            }
            outcome.push(appended);
        }
        Classified { hot, late, histograms, outcome }
    }

    /// Returns the series of the batches that a deletion had emptied.
    fn returning(&self, batches: &[SampleBatch]) -> Vec<u32> {
        if self.emptied.is_empty() {
            return Vec::new();
        }
        let all = batches.iter().flat_map(|batch| {
            batch.series.iter().chain(batch.histograms.iter().map(|sample| &sample.series)).map(|id| id.index())
        });
        let mut returning: Vec<u32> = all.filter(|id| self.emptied.contains(id)).collect();
        returning.sort_unstable();
        returning.dedup();
        returning
    }

    /// Appends new series and samples in one transaction.
    fn commit_rows(
        &mut self,
        hot: SampleColumns,
        late: LateColumns,
        histograms: Vec<HistogramRow>,
        returning: &[u32],
    ) -> Result<(), StoreError> {
        let end = self.shared.registry.read().end();
        if hot.is_empty() && late.samples.is_empty() && histograms.is_empty() && end == self.persisted {
            return Ok(());
        }
        let (hot_table, late_table) = {
            let layout = self.shared.layout.read();
            (layout.hot.name(), layout.late.name())
        };
        let (hot_rows, hot_span) = (hot.len(), hot.span());
        let (late_rows, late_span) = (late.samples.len(), late.samples.span());
        let series = self.series_rows(returning, end)?;
        let as_batch =
            |error: arrow::error::ArrowError| StoreError::InvalidRow { table: "samples", detail: error.to_string() };
        let late = (late_rows > 0).then(|| late.into_batch()).transpose().map_err(as_batch)?;
        let histograms = (!histograms.is_empty()).then(|| histogram::batch(&histograms)).transpose()?;
        let inserter = self.inserter.clone();
        self.transaction(|connection| {
            append(connection, "histograms", histograms)?;
            append(connection, "series", series)?;
            inserter.insert(connection, &hot_table, hot)?;
            append(connection, &late_table, late)
        })?;
        self.persisted = end;
        if !returning.is_empty() {
            self.shared.registry.write().note_returned(returning);
            self.emptied.retain(|id| !returning.contains(id));
        }
        let mut layout = self.shared.layout.write();
        layout.hot.add(hot_rows as u64, hot_span);
        layout.late.add(late_rows as u64, late_span);
        Ok(())
    }

    /// Returns the rows of series that are not on disk: the returning and the new ones; `None` if there are none.
    fn series_rows(&self, returning: &[u32], end: u32) -> Result<Option<RecordBatch>, StoreError> {
        let ids = || returning.iter().copied().chain(self.persisted..end);
        if ids().next().is_none() {
            return Ok(None);
        }
        let registry = self.shared.registry.read();
        let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        let as_row =
            |error: arrow::error::ArrowError| StoreError::InvalidRow { table: "series", detail: error.to_string() };
        for id in ids() {
            for (name, value) in registry.label_pairs(id) {
                labels.keys().append_value(name);
                labels.values().append_value(value);
            }
            labels.append(true).map_err(as_row)?;
        }
        let labels = labels.finish();
        let schema = Schema::new(vec![
            Field::new("series_id", DataType::UInt32, false),
            Field::new("labels", arrow::array::Array::data_type(&labels).clone(), false),
        ]);
        let ids = UInt32Array::from_iter_values(ids());
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(labels)]).map(Some).map_err(as_row)
    }

    pub(super) fn evict(&self) {
        if self.shared.recent.read().over_budget() {
            self.shared.recent.write().evict();
        }
    }

    /// Returns the error of a failed recovery, after another attempt if the last one is old enough.
    fn repaired(&mut self) -> Result<(), StoreError> {
        if self.broken.as_ref().is_some_and(|(_, attempt)| attempt.elapsed() >= REPAIR_INTERVAL) {
            self.recover();
        }
        self.broken.as_ref().map_or(Ok(()), |(error, _)| Err(error.clone()))
    }

    /// Rebuilds memory from disk after a failed commit, since it may contain samples that are not on disk.
    fn recover(&mut self) {
        let layout = self.shared.layout.read().clone();
        let loaded = schema::load_recent(&self.connection, &layout, self.shared.options.sample_bytes());
        let loaded = loaded.and_then(|recent| Ok((recent, schema::load_histograms(&self.connection)?)));
        match loaded {
            Ok((loaded, histograms)) => {
                *self.shared.histograms.write() = histograms;
                let mut recent = loaded;
                recent.grow(self.shared.registry.read().end());
                *self.shared.recent.write() = recent;
                self.broken = None;
                *self.shared.broken.lock() = None;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "recovery failed; the store rejects samples until a later attempt succeeds"
                );
                *self.shared.recent.write() = RecentSamples::new(0);
                *self.shared.broken.lock() = Some(format!("the writer cannot go on: {error}"));
                self.broken = Some((error, Instant::now()));
            }
        }
    }
}

/// Samples of a group by destination, and the result of each batch.
struct Classified {
    hot: SampleColumns,
    late: LateColumns,
    histograms: Vec<HistogramRow>,
    outcome: Vec<Appended>,
}

/// Returns whether a batch can be added to memory sample by sample: the timestamps of a series ascend and few samples
/// are late. Each sample out of order would otherwise move all newer ones.
fn is_in_order(batch: &SampleBatch, recent: &RecentSamples) -> bool {
    let (ids, timestamps) = (&batch.series, &batch.timestamps);
    // A newer sample of the same series may be rows away; rows sorted by series are never taken for out of order.
    let descends = |k: usize| timestamps[k] < timestamps[k - 1] && ids[k].index() <= ids[k - 1].index();
    let is_late = |k: &usize| recent.is_late(ids[*k].index(), timestamps[*k]);
    !(1..timestamps.len()).any(descends) && (0..timestamps.len()).filter(is_late).nth(MAX_LATE_ONE_BY_ONE).is_none()
}

/// Returns the samples of each series by timestamp; of equal timestamps the last in the batch stays last.
fn runs_in_order(batch: &SampleBatch) -> Vec<(u32, Vec<(i64, f64)>)> {
    let mut order: Vec<usize> = (0..batch.timestamps.len()).collect();
    order.sort_by_key(|&k| (batch.series[k].index(), batch.timestamps[k]));
    order
        .chunk_by(|a, b| batch.series[*a].index() == batch.series[*b].index())
        .map(|run| {
            let samples = run.iter().map(|&k| (batch.timestamps[k], canonical(batch.values[k])));
            (batch.series[run[0]].index(), samples.collect())
        })
        .collect()
}
