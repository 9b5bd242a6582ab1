use almanac_engine::store::rows::{CacheEvent, CacheOp};
use almanac_models::Timestamp;

use super::{DataDirectory, LoadError};

const TRACE: &str = "cache_cloudphysics.parquet";

impl DataDirectory {
    /// The CloudPhysics cache trace (libCacheSim sample) in the source's order, which ties of its one-second clock need.
    ///
    /// # Errors
    /// [`LoadError`] when the file is absent, its columns are others, or an `op` is none.
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
