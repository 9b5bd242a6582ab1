//! Sends a worker the rows that were written since the checkpoint that it has open.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use arrow::{array::AsArray, array::RecordBatch, datatypes::Int64Type, ipc::writer::StreamWriter};
use duckdb::Connection;

use super::message::{Held, HeldSegment, Need, SegmentInfo, ToWorker};
use crate::store::{SqlError, StoreError, error::failed_to, read::for_each_batch, shared::Shared};

/// Number of rows above which a checkpoint is written instead of sending them: it costs less, and once only.
const CHECKPOINT_ROWS: u64 = 2_000_000;

/// Size of a frame of rows, in bytes.
const FRAME_BYTES: usize = 8 << 20;

/// What a request for rows led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// The worker has all rows now.
    Complete,
    /// A checkpoint was written; the worker should open the file again.
    Checkpoint,
}

/// Why rows could not be supplied.
#[derive(Debug)]
pub(super) enum SupplyError {
    /// The worker no longer reads.
    Worker(io::Error),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for SupplyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SupplyError {
    /// Returns the error for the caller of the statement.
    pub(super) fn into_sql(self) -> SqlError {
        match self {
            Self::Worker(error) => SqlError::Crashed { detail: error.to_string() },
            Self::Store(StoreError::Database { action, source }) => SqlError::Store { action: action.into(), source },
            Self::Store(StoreError::Closed) => SqlError::Closed,
            Self::Store(error) => SqlError::Unavailable { detail: error.to_string() },
        }
    }
}

/// Sends a message with a payload to the worker.
pub(super) type Send<'a> = &'a mut dyn FnMut(&ToWorker, &[u8]) -> io::Result<()>;

/// Sends the rows that `need` lacks, all as of one moment. `may_checkpoint`: many rows are checkpointed instead of sent.
pub(super) fn supply(
    shared: &Arc<Shared>,
    need: &Need,
    may_checkpoint: bool,
    end: Instant,
    send: Send<'_>,
) -> Result<Supply, SupplyError> {
    let is_behind = need.segments.as_ref().is_some_and(|held| is_far_behind(shared, held));
    if may_checkpoint && is_behind && checkpoint(shared, end) {
        return Ok(Supply::Checkpoint);
    }
    let mut result = Ok(Supply::Complete);
    shared.readers.with(|connection| {
        connection.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(failed_to("read"))?;
        result = supply_within(shared, connection, need, may_checkpoint, send);
        connection.execute_batch("ROLLBACK").map_err(failed_to("read"))
    })?;
    match result {
        Ok(Supply::Checkpoint) if checkpoint(shared, end) => Ok(Supply::Checkpoint),
        // The checkpoint has to wait for a compaction; the rows are sent after all.
        Ok(Supply::Checkpoint) => supply(shared, need, false, end, send),
        other => other,
    }
}

/// Estimates whether the segments have many rows that the worker lacks.
fn is_far_behind(shared: &Shared, held: &[HeldSegment]) -> bool {
    if shared.rewritten.load(Ordering::Acquire) {
        return true;
    }
    let held: HashMap<u64, u64> = held.iter().map(|segment| (segment.id, segment.rows)).collect();
    let layout = shared.layout.read();
    let missing = layout.all().map(|segment| segment.rows.saturating_sub(held.get(&segment.id).copied().unwrap_or(0)));
    missing.sum::<u64>() > CHECKPOINT_ROWS
}

/// Writes a checkpoint, and returns whether it was written before `end`.
fn checkpoint(shared: &Arc<Shared>, end: Instant) -> bool {
    let (done, written) = mpsc::channel();
    let task = Box::new(move |writer: &mut crate::store::write::Writer| {
        let _ = done.send(writer.checkpoint());
    });
    if shared.queue.push_task(task).is_err() {
        return false;
    }
    match written.recv_timeout(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "no checkpoint for a statement");
            false
        }
        Err(_) => false,
    }
}

fn supply_within(
    shared: &Shared,
    connection: &Connection,
    need: &Need,
    may_checkpoint: bool,
    send: Send<'_>,
) -> Result<Supply, SupplyError> {
    for held in &need.tables {
        if send_table(connection, held, may_checkpoint, send)? == Supply::Checkpoint {
            return Ok(Supply::Checkpoint);
        }
    }
    let mut segments = Vec::new();
    if let Some(held) = &need.segments {
        segments = SegmentInfo::list(connection, "store")?;
        let was_rewritten = shared.rewritten.load(Ordering::Acquire);
        for segment in &segments {
            let held = held.iter().find(|held| held.id == segment.id);
            send_segment(connection, segment, held, was_rewritten, send)?;
        }
    }
    send(&ToWorker::Supplied { segments }, &[]).map_err(SupplyError::Worker)?;
    Ok(Supply::Complete)
}

/// Sends the missing rows of a segment. Only a deletion removes rows; `was_rewritten` reports one since the last
/// checkpoint.
fn send_segment(
    connection: &Connection,
    segment: &SegmentInfo,
    held: Option<&HeldSegment>,
    was_rewritten: bool,
    send: Send<'_>,
) -> Result<(), SupplyError> {
    let table = segment.segment()?.name();
    match held {
        Some(held) if held.frozen && segment.frozen && held.rows == segment.rows => Ok(()),
        Some(held) if !held.frozen && !was_rewritten => {
            Frames::new(&table, false, send).send_all(connection, held.last)
        }
        Some(held) => {
            let held = Held { table, rows: held.rows, last: held.last };
            send_table(connection, &held, false, send).map(drop)
        }
        None => Frames::new(&table, true, send).send_all(connection, None),
    }
}

/// Sends the rows after the last one of the worker, or all rows if some of the worker's are gone.
fn send_table(
    connection: &Connection,
    held: &Held,
    may_checkpoint: bool,
    send: Send<'_>,
) -> Result<Supply, SupplyError> {
    let failed = failed_to("count rows");
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM store.{}{condition}", held.table);
        connection.query_row(&sql, [], |row| row.get::<_, u64>(0)).map_err(&failed)
    };
    let total = count("")?;
    let newer = match held.last {
        Some(last) => count(&format!(" WHERE rowid > {last}"))?,
        None => total,
    };
    let is_tail = total.saturating_sub(newer) == held.rows;
    let rows = if is_tail { newer } else { total };
    if rows == 0 && is_tail {
        return Ok(Supply::Complete);
    }
    if may_checkpoint && rows > CHECKPOINT_ROWS {
        return Ok(Supply::Checkpoint);
    }
    let after = if is_tail { held.last } else { None };
    Frames::new(&held.table, !is_tail, send).send_all(connection, after)?;
    Ok(Supply::Complete)
}

/// Collects rows of a table into frames.
struct Frames<'a, 'b> {
    table: &'a str,
    replaces: bool,
    send: Send<'b>,
    batches: Vec<RecordBatch>,
    bytes: usize,
    last: Option<i64>,
    sent: bool,
}

impl<'a, 'b> Frames<'a, 'b> {
    fn new(table: &'a str, replaces: bool, send: Send<'b>) -> Self {
        Self { table, replaces, send, batches: Vec::new(), bytes: 0, last: None, sent: false }
    }

    /// Sends the rows of the table whose number is above `after`.
    fn send_all(mut self, connection: &Connection, after: Option<i64>) -> Result<(), SupplyError> {
        let condition = after.map_or_else(String::new, |after| format!(" WHERE rowid > {after}"));
        let sql = format!("SELECT rowid, * FROM store.{}{condition}", self.table);
        self.last = after;
        let mut broken = None;
        for_each_batch(connection, &sql, |batch| {
            if broken.is_none()
                && let Err(error) = self.add(batch)
            {
                broken = Some(error);
            }
            Ok(())
        })?;
        if let Some(error) = broken {
            return Err(error);
        }
        // An empty table that replaces the worker's rows is sent too.
        if !self.batches.is_empty() || (self.replaces && !self.sent) { self.flush() } else { Ok(()) }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), SupplyError> {
        let newest = arrow::compute::max(batch.column(0).as_primitive::<Int64Type>());
        self.last = self.last.max(newest);
        let columns: Vec<usize> = (1..batch.num_columns()).collect();
        let batch = batch.project(&columns).map_err(|error| not_encoded(self.table, &error))?;
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.bytes >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SupplyError> {
        let batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        let payload = encode(&batches).map_err(|error| not_encoded(self.table, &error))?;
        let replaces = self.replaces && !self.sent;
        self.sent = true;
        let message = ToWorker::Rows { table: self.table.to_owned(), replaces, last: self.last };
        (self.send)(&message, &payload).map_err(SupplyError::Worker)
    }
}

fn not_encoded(table: &str, error: &arrow::error::ArrowError) -> SupplyError {
    SupplyError::Store(StoreError::Corrupt { table: "rows", detail: format!("{table}: {error}") })
}

/// Encodes batches of one schema as an Arrow stream; nothing without a batch.
fn encode(batches: &[RecordBatch]) -> Result<Vec<u8>, arrow::error::ArrowError> {
    let mut out = Vec::new();
    if let Some(first) = batches.first() {
        let mut writer = StreamWriter::try_new(&mut out, &first.schema())?;
        for batch in batches {
            writer.write(batch)?;
        }
        writer.finish()?;
    }
    Ok(out)
}
