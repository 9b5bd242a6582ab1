//! Checks free disk space before work that must not be cut short.

use std::path::Path;

use crate::store::StoreError;

/// Bytes of a row before compression: what a segment may need at most while it is written.
pub(in crate::store) const ROW_BYTES: u64 = 24;

/// Room that a checkpoint needs besides what it moves: headers, the free list, partly filled blocks.
const MARGIN: u64 = 16 << 20;

/// Refuses work that the disk has no room for, before it is begun.
///
/// A commit that finds the disk full is undone and the next one may succeed. A checkpoint that does is fatal: DuckDB
/// then answers nothing any more until the file is opened again. So it is not begun where it may not end.
pub(in crate::store) fn check_room(path: &Path, needed: u64, what: &str) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Where the system does not give the free space, the work is tried.
    let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
    enough(free, needed, what)
}

fn enough(free: u64, needed: u64, what: &str) -> Result<(), StoreError> {
    let needed = needed.saturating_add(MARGIN);
    if free >= needed {
        return Ok(());
    }
    let detail = format!("{what} may need {} MiB, {} MiB are free", needed >> 20, free >> 20);
    Err(StoreError::DiskFull { detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_refused_where_it_may_not_end() {
        assert!(enough(117 << 20, 100 << 20, "a checkpoint").is_ok());
        let error = enough(115 << 20, 100 << 20, "a checkpoint").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no space left on the disk of the store (a checkpoint may need 116 MiB, 115 MiB are free)"
        );
        assert!(check_room(Path::new("/nowhere/at/all.duckdb"), u64::MAX, "a checkpoint").is_ok());
        assert!(check_room(Path::new("here.duckdb"), u64::MAX, "a checkpoint").is_err());
    }
}
