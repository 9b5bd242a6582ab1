//! Reads a file of cache events into memory.

use std::path::Path;

use almanac_models::Timestamp;

use super::{
    FileError,
    batch::{Batch, Field, Visitor},
    error::missing_column,
    source,
};
use crate::store::rows::{CacheEvent, CacheOp};

/// Words for the operations of a cache event.
const OPS: [(&str, CacheOp); 3] = [("get", CacheOp::Get), ("write", CacheOp::Write), ("delete", CacheOp::Delete)];

/// Reads an event file: CSV with a header (also gzip), JSON or Parquet with the columns `timestamp`, `cache`, `key`,
/// `op` and optionally `bytes` and `miss_cost_ms`. Other columns are ignored.
///
/// The events are sorted by time; ties keep the file's order.
///
/// # Errors
/// [`FileError`] in one line with file, line, column and value; also for a file without rows.
pub fn read_event_file(path: &Path) -> Result<Vec<CacheEvent>, FileError> {
    let mut reader = EventReader { path, events: Vec::new() };
    source::read_any(path, &mut reader)?;
    if reader.events.is_empty() {
        return Err(FileError::shape(path, "has a header but no rows"));
    }
    let mut events = reader.events;
    events.sort_by_key(|event| event.timestamp);
    Ok(events)
}

struct EventReader<'p> {
    path: &'p Path,
    events: Vec<CacheEvent>,
}

impl Visitor for EventReader<'_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), FileError> {
        let names = batch.names();
        let find = |wanted: &str| names.iter().position(|name| *name == wanted).map(|idx| batch.field(self.path, idx));
        let require = |wanted: &str| find(wanted).ok_or_else(|| missing_column(self.path, &names, wanted));
        let (timestamp, cache) = (require("timestamp")?, require("cache")?);
        let (key, op) = (require("key")?, require("op")?);
        let (bytes, miss_cost_ms) = (find("bytes"), find("miss_cost_ms"));
        for row in 0..batch.frame.height() {
            self.events.push(CacheEvent {
                timestamp: Timestamp::from_millis(timestamp.timestamp(row)?),
                cache: cache.name(row)?.into_owned(),
                key: key.name(row)?.into_owned(),
                op: op.one_of(row, &OPS)?,
                bytes: optional(bytes.as_ref(), |field| field.count(row))?,
                miss_cost_ms: optional(miss_cost_ms.as_ref(), |field| field.non_negative(row))?,
            });
        }
        Ok(())
    }
}

/// Reads a value of an optional column; `None` without the column.
fn optional<'f, 'a, T>(
    field: Option<&'f Field<'a>>,
    read: impl FnOnce(&'f Field<'a>) -> Result<Option<T>, FileError>,
) -> Result<Option<T>, FileError> {
    field.map_or(Ok(None), read)
}
