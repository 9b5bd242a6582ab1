//! Checks free disk space before a checkpoint, a compaction or a deletion starts.

use std::path::Path;

use crate::store::StoreError;

/// Bytes of a row before compression: upper bound of the space per row while a segment is written.
pub(in crate::store) const ROW_BYTES: u64 = 24;

/// Bytes that a checkpoint needs besides the data: headers, the free list, partly filled blocks.
const MARGIN: u64 = 16 << 20;

/// Checks that the disk of `path` has `needed` bytes and a margin free, and that a limit on file sizes leaves the file as much;
/// `what` names the work in the error.
///
/// A commit that fails on a full disk is rolled back. A checkpoint that fails on a full disk is fatal: DuckDB then
/// rejects every statement until the file is reopened. Free space is therefore checked before such work starts.
pub(in crate::store) fn check_disk_space(path: &Path, needed: u64, what: &str) -> Result<(), StoreError> {
    // If the system does not report the free space, the work is attempted.
    free_space(path).map_or(Ok(()), |free| check_free(free, needed, what, "are free"))?;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    let length = || path.metadata().map_or(0, |file| file.len());
    let left = limit.map(|limit| limit.saturating_sub(length()));
    left.map_or(Ok(()), |left| check_free(left, needed, what, "are left by the limit on file sizes"))
}

/// Returns the free bytes of the disk with a file; `None` if the system does not report them.
pub(in crate::store) fn free_space(path: &Path) -> Option<u64> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs4::available_space(folder).ok()
}

fn check_free(free: u64, needed: u64, what: &str, of: &str) -> Result<(), StoreError> {
    let needed = needed.saturating_add(MARGIN);
    if free >= needed {
        return Ok(());
    }
    let detail = format!("{what} may need {} MiB but {} MiB {of}", needed >> 20, free >> 20);
    Err(StoreError::DiskFull { detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_rejected_when_the_disk_may_become_full() {
        assert!(check_free(117 << 20, 100 << 20, "a checkpoint", "are free").is_ok());
        let error = check_free(115 << 20, 100 << 20, "a checkpoint", "are free").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no space left on the disk of the store (a checkpoint may need 116 MiB but 115 MiB are free)"
        );
        assert!(check_disk_space(Path::new("/nowhere/at/all.duckdb"), u64::MAX, "a checkpoint").is_ok());
        assert!(check_disk_space(Path::new("here.duckdb"), u64::MAX, "a checkpoint").is_err());
    }
}
