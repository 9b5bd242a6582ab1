//! Loads the public cache trace as cache events.

use almanac_engine::store::rows::{CacheEvent, CacheOp};
use almanac_models::Timestamp;

use super::{DataDirectory, LoadError};

const TRACE: &str = "cache_cloudphysics.parquet";

impl DataDirectory {
    /// Returns the CloudPhysics cache trace (libCacheSim sample) in the order of the source: its clock has a resolution
    /// of one second, so that equal timestamps are ordered by their rows alone.
    ///
    /// # Errors
    /// [`LoadError`] when the file does not exist, its columns differ, or an `op` is unknown.
    pub fn cache_trace(&self) -> Result<Vec<CacheEvent>, LoadError> {
        let mut events = Vec::new();
        let mut unknown = None;
        self.each_row(TRACE, "a cache trace", "SELECT timestamp, cache, key, op FROM rows", |row| {
            let op: String = row.get(3)?;
            match op.parse::<CacheOp>() {
                Ok(op) => events.push(CacheEvent {
                    timestamp: Timestamp::from_millis(row.get(0)?),
                    cache: row.get(1)?,
                    key: row.get(2)?,
                    op,
                    bytes: None,
                    miss_cost_ms: None,
                }),
                Err(_) => unknown = Some(op),
            }
            Ok(())
        })?;
        match unknown {
            Some(value) => {
                Err(LoadError::Value { path: self.file(TRACE, "a cache trace")?, value, what: "cache operation" })
            }
            None => Ok(events),
        }
    }
}
