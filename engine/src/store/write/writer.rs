//! The one thread that writes: commits groups of samples and runs tasks between them.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{MapBuilder, RecordBatch, StringBuilder, UInt32Array},
    datatypes::{DataType, Field, Schema},
};
use duckdb::Connection;

use super::{
    Answer, Appended, LateColumns, Place, Recent, SampleBatch, SampleColumns, canonical, queue::Work, room::check_room,
};
use crate::store::{
    StoreError,
    error::failed_to,
    schema,
    shared::{Shared, count},
};

/// The one thread that writes.
#[derive(Debug)]
pub(in crate::store) struct Writer {
    pub(in crate::store) connection: Connection,
    pub(in crate::store) shared: Arc<Shared>,
    /// Series with smaller numbers are on disk.
    persisted: u32,
    /// Series whose row a deletion removed from disk: written again with their next sample.
    emptied: HashSet<u32>,
    /// Sequence number of the next late row.
    next_seq: i64,
    /// Set when memory could not be rebuilt after a failed commit: nothing is taken from then on.
    broken: Option<StoreError>,
}

impl Writer {
    pub(in crate::store) fn new(connection: Connection, shared: Arc<Shared>, next_seq: i64) -> Self {
        let persisted = shared.registry.read().end();
        Self { connection, shared, persisted, emptied: HashSet::new(), next_seq, broken: None }
    }

    /// Works until the queue is closed and empty, then writes a checkpoint.
    pub(in crate::store) fn run(mut self) {
        let mut last = (0, Duration::ZERO);
        loop {
            match self.shared.queue.next(last) {
                Work::Group(group) => {
                    let (batches, begun) = (group.len(), Instant::now());
                    self.commit_group(group);
                    last = (batches, begun.elapsed());
                }
                Work::Task(task) => task(&mut self),
                Work::Closed => break,
            }
        }
        if let Err(error) = self.checkpoint() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last checkpoint failed; the log has the data"
            );
        }
    }

    /// Moves the write-ahead log into the file.
    pub(in crate::store) fn checkpoint(&self) -> Result<(), StoreError> {
        let log = self.shared.log_path().metadata().map_or(0, |log| log.len());
        check_room(&self.shared.path, log, "a checkpoint")?;
        let written = self.connection.execute_batch("CHECKPOINT").map_err(failed_to("write a checkpoint"));
        self.note(written)
    }

    /// Remembers it when DuckDB has given up.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Stopped { detail }) = &result {
            let _ = self.shared.stopped.set(detail.clone());
        }
        result
    }

    /// Runs `work` in one transaction; nothing of it stays when it fails.
    pub(in crate::store) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = self
            .connection
            .execute_batch("BEGIN TRANSACTION")
            .map_err(failed_to("begin a transaction"))
            .and_then(|()| work(&self.connection))
            .and_then(|value| self.connection.execute_batch("COMMIT").map_err(failed_to("commit")).map(|()| value));
        let counters = &self.shared.counters;
        count(&counters.commit_us, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        if result.is_ok() {
            count(&counters.commits, 1);
        } else {
            count(&counters.commits_failed, 1);
            // Fails when the transaction has ended already, which is as good.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.note(result)
    }

    /// Remembers series that a deletion left without samples and without a row.
    pub(in crate::store) fn note_emptied(&mut self, ids: Vec<u32>) {
        self.shared.registry.write().note_emptied(&ids);
        self.emptied.extend(ids);
    }

    fn commit_group(&mut self, group: Vec<(SampleBatch, Answer)>) {
        if let Some(error) = &self.broken {
            for (_, answer) in group {
                answer.send(Err(error.clone()));
            }
            return;
        }
        let rows = group.iter().map(|(batch, _)| batch.len()).sum();
        let (batches, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let sorted = self.sort_out(&batches, rows);
        let returning = self.returning(&batches);
        drop(batches);
        let late_rows = u64::try_from(sorted.late.seq.len()).unwrap_or(u64::MAX);
        let outcome = sorted.outcome;
        match self.commit_rows(sorted.hot, sorted.late, &returning) {
            Ok(()) => {
                let counters = &self.shared.counters;
                count(&counters.written, outcome.iter().map(|o| o.written).sum());
                count(&counters.unchanged, outcome.iter().map(|o| o.unchanged).sum());
                count(&counters.late, late_rows);
                for (answer, appended) in answers.into_iter().zip(outcome) {
                    answer.send(Ok(appended));
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

    /// Takes the samples into memory and sorts them by where they belong on disk.
    fn sort_out(&mut self, batches: &[SampleBatch], rows: usize) -> Sorted {
        let mut hot = SampleColumns::with_capacity(rows);
        let mut late = LateColumns::default();
        let mut outcome = Vec::with_capacity(batches.len());
        let end = self.shared.registry.read().end();
        let mut recent = self.shared.recent.write();
        recent.grow(end);
        for batch in batches {
            let mut appended = Appended::default();
            for ((id, &timestamp), &value) in batch.series.iter().zip(&batch.timestamps).zip(&batch.values) {
                let (id, value) = (id.index(), canonical(value));
                match recent.place(id, timestamp, value) {
                    Place::Hot => hot.push(id, timestamp, value),
                    Place::Late => {
                        late.push(id, timestamp, value, self.next_seq);
                        self.next_seq += 1;
                    }
                    Place::Unchanged => {
                        appended.unchanged += 1;
                        continue;
                    }
                }
                appended.written += 1;
            }
            outcome.push(appended);
        }
        Sorted { hot, late, outcome }
    }

    /// Series of the batches that a deletion emptied before.
    fn returning(&self, batches: &[SampleBatch]) -> Vec<u32> {
        if self.emptied.is_empty() {
            return Vec::new();
        }
        let all = batches.iter().flat_map(|batch| batch.series.iter().map(|id| id.index()));
        let mut returning: Vec<u32> = all.filter(|id| self.emptied.contains(id)).collect();
        returning.sort_unstable();
        returning.dedup();
        returning
    }

    fn commit_rows(&mut self, hot: SampleColumns, late: LateColumns, returning: &[u32]) -> Result<(), StoreError> {
        let end = self.shared.registry.read().end();
        if hot.is_empty() && late.samples.is_empty() && end == self.persisted {
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
        let hot = (hot_rows > 0).then(|| hot.into_batch()).transpose().map_err(as_batch)?;
        let late = (late_rows > 0).then(|| late.into_batch()).transpose().map_err(as_batch)?;
        self.transaction(|connection| {
            append(connection, "series", series)?;
            append(connection, &hot_table, hot)?;
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

    /// Rows of the series that are not on disk: those that return and those that are new.
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

    fn evict(&self) {
        if self.shared.recent.read().over_budget() {
            self.shared.recent.write().evict();
        }
    }

    /// After a failed commit memory may hold samples that disk has not: builds it anew from disk.
    fn recover(&mut self) {
        let layout = self.shared.layout.read().clone();
        match schema::load_recent(&self.connection, &layout, self.shared.options.recent_bytes) {
            Ok(loaded) => {
                let mut recent = loaded;
                recent.grow(self.shared.registry.read().end());
                *self.shared.recent.write() = recent;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store takes no more samples until it is reopened"
                );
                *self.shared.recent.write() = Recent::new(0);
                self.broken = Some(error);
            }
        }
    }
}

/// A group, sorted out.
struct Sorted {
    hot: SampleColumns,
    late: LateColumns,
    outcome: Vec<Appended>,
}

/// Appends rows to a table of the schema `store`.
pub(in crate::store) fn append(
    connection: &Connection,
    table: &str,
    rows: Option<RecordBatch>,
) -> Result<(), StoreError> {
    let Some(rows) = rows else { return Ok(()) };
    let mut appender = connection.appender_to_db(table, "store").map_err(failed_to("append rows"))?;
    appender.append_record_batch(rows).map_err(failed_to("append rows"))?;
    appender.flush().map_err(failed_to("append rows"))
}
