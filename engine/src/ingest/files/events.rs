use std::path::{Path, PathBuf};

use almanac_models::Timestamp;

use super::{
    FileError,
    table::{self, Cells, Column, Row, Visitor, find, require},
};
use crate::store::rows::{CacheEvent, CacheOp};

/// The words for the operations of a cache event.
const OPS: [(&str, CacheOp); 3] = [("get", CacheOp::Get), ("write", CacheOp::Write), ("delete", CacheOp::Delete)];

/// Reads an event file: CSV with a header (gzip too) or Parquet with the columns `timestamp`,
/// `cache`, `key`, `op` and, if known, `bytes` and `miss_cost_ms`; others are ignored.
///
/// The events are sorted by time; ties keep the file's order.
///
/// # Errors
/// [`FileError`] in one line with file, line, column and value; a file without rows is one too.
pub fn read_event_file(path: &Path) -> Result<Vec<CacheEvent>, FileError> {
    let mut reader = EventReader { path: path.to_owned(), columns: None, events: Vec::new() };
    table::read(path, &mut reader)?;
    if reader.events.is_empty() {
        return Err(FileError::shape(path, "has a header but no rows"));
    }
    let mut events = reader.events;
    events.sort_by_key(|event| event.timestamp);
    Ok(events)
}

struct EventColumns {
    timestamp: Column,
    cache: Column,
    key: Column,
    op: Column,
    bytes: Option<Column>,
    miss_cost_ms: Option<Column>,
}

struct EventReader {
    path: PathBuf,
    columns: Option<EventColumns>,
    events: Vec<CacheEvent>,
}

impl Visitor for EventReader {
    fn header(&mut self, columns: &[String]) -> Result<(), FileError> {
        self.columns = Some(EventColumns {
            timestamp: require(&self.path, columns, "timestamp")?,
            cache: require(&self.path, columns, "cache")?,
            key: require(&self.path, columns, "key")?,
            op: require(&self.path, columns, "op")?,
            bytes: find(columns, "bytes"),
            miss_cost_ms: find(columns, "miss_cost_ms"),
        });
        Ok(())
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), FileError> {
        let Some(columns) = &self.columns else { return Ok(()) };
        let cells = Cells { path: &self.path, row };
        let event = CacheEvent {
            timestamp: Timestamp::from_millis(cells.timestamp(&columns.timestamp)?),
            cache: cells.name(&columns.cache)?.to_owned(),
            key: cells.text(&columns.key)?,
            op: cells.one_of(&columns.op, &OPS)?,
            bytes: columns.bytes.as_ref().map_or(Ok(None), |column| cells.count(column))?,
            miss_cost_ms: columns.miss_cost_ms.as_ref().map_or(Ok(None), |column| cells.non_negative(column))?,
        };
        self.events.push(event);
        Ok(())
    }
}
