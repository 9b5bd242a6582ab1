use std::sync::Arc;

use almanac_models::Timestamp;

use crate::store::{Compaction, CompactionReport, StoreError, shared::Shared};

pub(in crate::store) fn compact(
    shared: &Arc<Shared>,
    now: Timestamp,
    what: Compaction,
) -> Result<CompactionReport, StoreError> {
    let _ = (shared, now, what);
    Err(StoreError::Closed)
}
