//! Loads samples of some series into memory between two groups of the writer.

use std::ops::Range;

use super::Writer;
use crate::store::{StoreError, read, schema};

impl Writer {
    /// Loads the samples of hot and late segments.
    pub(in crate::store) fn load(&mut self, ids: Range<u32>) -> Result<(), StoreError> {
        if self.broken.is_some() {
            return Ok(());
        }
        let layout = self.shared.layout.read().clone();
        let loaded = schema::load_recent_of(&self.connection, &layout, self.shared.options.sample_bytes(), &ids)?;
        self.shared.recent.write().replace(ids, loaded);
        self.evict();
        Ok(())
    }

    /// Loads the samples from `from` on that memory lacks, at most `limit`, and returns their number.
    pub(in crate::store) fn load_older(&self, ids: Range<u32>, from: i64, limit: usize) -> Result<usize, StoreError> {
        if self.broken.is_some() {
            return Ok(0);
        }
        // What is loaded must not make others leave memory.
        let limit = limit.min(self.shared.recent.read().free());
        let loaded = read::load_older(self, ids, from, limit);
        self.shared.readers.note_damage(&loaded);
        loaded
    }
}
