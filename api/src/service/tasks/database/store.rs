//! Stores what a snapshot showed; runs on a thread that may block.

use almanac_engine::{
    ingest::database::metadata,
    series::Labels,
    store::{SampleBatch, Store, StoreError},
};
use almanac_models::Timestamp;

/// Stores samples of one time, and waits until they are on disk.
pub(super) fn samples(store: &Store, at: Timestamp, samples: &[(Labels, f64)]) -> Result<(), StoreError> {
    let mut batch = SampleBatch::default();
    for (labels, value) in samples {
        batch.push(store.resolve(labels)?, at.millis(), *value);
    }
    store.append(batch)?.wait()?;
    Ok(())
}

/// Stores types and descriptions of the metrics.
pub(super) fn describe(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    store.put_metadata(&metadata(now)).map(drop)
}
