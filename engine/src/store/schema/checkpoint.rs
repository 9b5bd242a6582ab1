//! Writes the contents of the write-ahead log to the file, so that a power cut meanwhile leaves a file that can be opened.

use std::{fs::File, path::Path};

use duckdb::Connection;

use crate::store::{
    StoreError,
    error::failed_to,
    file::{OpenedFile, remove_spare, save_spare},
};

/// Writes a checkpoint of the file at `path`.
///
/// # Errors
/// `DiskFull`, `Open`: the metadata cannot be copied, and nothing was changed. `Database`.
pub(in crate::store) fn checkpoint(
    connection: &Connection,
    path: &Path,
    opened: &OpenedFile,
) -> Result<(), StoreError> {
    if let Some(file) = opened.file() {
        save_spare(path, file, &metadata_blocks(connection)?)?;
    }
    connection.execute_batch("CHECKPOINT").map_err(failed_to("write a checkpoint"))?;
    remove_spare(path);
    Ok(())
}

/// Copies the metadata of a file that is about to be opened for writing, which applies its log and may write a checkpoint. On a full
/// disk it is opened without a copy, since reads must be served.
pub(super) fn save_metadata(path: &Path, blocks: &[u64]) {
    let failed = |error: std::io::Error| StoreError::Open { path: path.to_owned(), detail: error.to_string() };
    if let Err(error) = File::open(path).map_err(failed).and_then(|file| save_spare(path, &file, blocks)) {
        tracing::warn!(%error, "the metadata could not be copied before the log is applied");
    }
}

/// Returns the blocks of metadata that the last checkpoint needs.
pub(super) fn metadata_blocks(connection: &Connection) -> Result<Vec<u64>, StoreError> {
    let failed = failed_to("list the blocks of metadata");
    let mut statement = connection.prepare("SELECT block_id FROM pragma_metadata_info()").map_err(&failed)?;
    let ids = statement.query_map([], |row| row.get::<_, i64>(0)).map_err(&failed)?;
    let ids = ids.collect::<Result<Vec<i64>, _>>().map_err(&failed)?;
    Ok(ids.into_iter().filter_map(|id| u64::try_from(id).ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        series::{Labels, SampleSource},
        store::{SampleBatch, Store, StoreOptions},
    };

    #[test]
    fn a_store_opens_whose_metadata_a_power_cut_has_left_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.duckdb");
        let open = || Store::open(&path, StoreOptions::default());
        let store = open().unwrap();
        let up = store.resolve(&Labels::from_pairs([("__name__", "up")]).unwrap()).unwrap();
        let mut batch = SampleBatch::default();
        (0..1_000).for_each(|at| batch.push(up, at * 1_000, 0.5));
        store.append(batch).unwrap().wait().unwrap();
        store.close().unwrap();
        // As in a checkpoint: the copy is made, then the second half of each block is written.
        let blocks = metadata_blocks(&Connection::open(&path).unwrap()).unwrap();
        assert!(!blocks.is_empty());
        save_spare(&path, &File::open(&path).unwrap(), &blocks).unwrap();
        let spare = folder.path().join("a.duckdb.spare");
        let copy = fs::read(&spare).unwrap();
        let before = fs::read(&path).unwrap();
        let mut torn = before.clone();
        for block in &blocks {
            let at = 3 * 4_096 + usize::try_from(*block).unwrap() * 65_536;
            torn[at + 32_768..at + 65_536].fill(0x5a);
        }
        fs::write(&path, &torn).unwrap();
        fs::remove_file(&spare).unwrap();
        open().unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), torn, "a file that cannot be opened is not changed");
        fs::write(&spare, copy).unwrap();
        let store = open().unwrap();
        assert_eq!(store.select(&[], i64::MIN, i64::MAX, 10_000).unwrap()[0].timestamps.len(), 1_000);
        assert!(!spare.exists());
        store.close().unwrap();
    }
}
