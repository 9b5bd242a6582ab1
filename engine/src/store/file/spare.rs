//! Keeps the blocks of metadata as they are before a checkpoint, in the side file `<store>.spare`.
//!
//! A checkpoint of DuckDB writes blocks of metadata again in their place, since each has parts that the header of before needs
//! beside new ones (`MetadataManager::Flush`). A power cut before the new header is durable could leave such a block half written,
//! and the file could not be opened. The copy is synced before the checkpoint, and removed after it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    backup::failure,
    checksum::checksum,
    format::{HEADERS, PAGE, block_bytes_of, is_sound, valid_header},
    place::{read_at, sync_folder_of},
};
use crate::store::StoreError;

/// First bytes of the side file; the checksum of the rest follows.
const MAGIC: [u8; 8] = *b"ALMSPAR1";

/// Bytes of a number.
const WORD: usize = 8;

/// Returns the path of the side file of a store.
pub(super) fn path_of(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}.spare", store.display()))
}

/// Copies blocks of a database file, durably. Those that are not sound in the file are left out; DuckDB has not written them yet.
///
/// The folder is synced too, whose last checkpoint has removed its log: behind a second checkpoint DuckDB does not know that log as an
/// old one, and would not open the file if a power cut brought it back.
///
/// # Errors
/// `DiskFull`, `Open`: the file cannot be read, or the copy not be written. A checkpoint must not begin.
pub(in crate::store) fn save(store: &Path, file: &File, blocks: &[u64]) -> Result<(), StoreError> {
    let copied = copy(store, file, blocks);
    copied.map_err(|error| {
        // On a full disk a part of a copy takes space that something else needs.
        remove(store);
        failure(&path_of(store), &error)
    })
}

fn copy(store: &Path, file: &File, blocks: &[u64]) -> io::Result<()> {
    let Some(header) = valid_header(file)? else { return Ok(()) };
    let Some(block_bytes) = block_bytes_of(&header) else { return Ok(()) };
    if read(store)?.is_some_and(|copied| copied.starts_with(&header)) {
        // A checkpoint failed, and may have left a block half written of which this is the only copy.
        return sync_folder_of(store);
    }
    let mut body = header;
    let mut block = vec![0; usize::try_from(block_bytes).map_err(io::Error::other)?];
    for id in blocks {
        let is_read = read_at(file, &mut block, position(*id, block_bytes)).is_ok();
        if is_read && is_sound(&block) {
            body.extend(id.to_le_bytes());
            body.extend(&block);
        }
    }
    let path = path_of(store);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut out = options.open(&path)?;
    out.write_all(&MAGIC)?;
    out.write_all(&checksum(&body).to_le_bytes())?;
    out.write_all(&body)?;
    out.sync_all()?;
    sync_folder_of(store)
}

/// Removes the copy, since the checkpoint is durable. A copy that stays is harmless: its header is not that of the file any more.
pub(in crate::store) fn remove(store: &Path) {
    let _ = fs::remove_file(path_of(store));
}

/// Writes those copied blocks again that are not sound in the file, if the file still has the header of the copy. Returns their
/// number.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn restore(store: &Path, file: &File) -> io::Result<u64> {
    let Some(body) = read(store)? else { return Ok(0) };
    let Some((header, copies)) = body.split_at_checked(PAGE) else { return Ok(0) };
    if valid_header(file)?.is_none_or(|now| now != header) {
        return Ok(0);
    }
    let Some(block_bytes) = block_bytes_of(header) else { return Ok(0) };
    let mut now = vec![0; usize::try_from(block_bytes).map_err(io::Error::other)?];
    let mut restored = 0;
    for copy in copies.chunks_exact(WORD + now.len()) {
        let (id, block) = copy.split_at(WORD);
        let at = position(id.try_into().map_or(0, u64::from_le_bytes), block_bytes);
        let is_readable = read_at(file, &mut now, at).is_ok() && is_sound(&now);
        if !is_readable && is_sound(block) {
            write_at(file, block, at)?;
            restored += 1;
        }
    }
    if restored > 0 {
        file.sync_all()?;
    }
    Ok(restored)
}

/// Returns a header and the blocks copied under it; `None` without a copy that is whole.
fn read(store: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = match fs::read(path_of(store)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_whole = bytes.split_at_checked(2 * WORD).is_some_and(|(head, body)| {
        head[..WORD] == MAGIC && head[WORD..] == checksum(body).to_le_bytes() && body.len() >= PAGE
    });
    Ok(is_whole.then(|| bytes.split_off(2 * WORD)))
}

const fn position(block: u64, block_bytes: u64) -> u64 {
    HEADERS + block * block_bytes
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, position)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(position))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 16 << 10;

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let sum = checksum(&bytes[8..]);
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn header(checkpoints: u64) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[8..16].copy_from_slice(&checkpoints.to_le_bytes());
        page[40..48].copy_from_slice(&(BLOCK as u64).to_le_bytes());
        sealed(page)
    }

    /// A file of three blocks after its fourth checkpoint, and its path.
    fn store(folder: &Path) -> (PathBuf, File) {
        let path = folder.join("a.duckdb");
        let blocks = (1..4).flat_map(|fill| sealed(vec![fill; BLOCK]));
        let bytes: Vec<u8> = [vec![0; PAGE], header(3), header(4)].concat().into_iter().chain(blocks).collect();
        fs::write(&path, bytes).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        (path, file)
    }

    #[test]
    fn blocks_that_were_half_written_are_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = store(folder.path());
        let before = fs::read(&path).unwrap();
        save(&path, &file, &[0, 2, 77]).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 0, "nothing is damaged");
        // A new version of block 0 as a whole, half of one of block 2.
        write_at(&file, &sealed(vec![8; BLOCK]), HEADERS).unwrap();
        write_at(&file, &vec![9; 5_000], HEADERS + 2 * BLOCK as u64).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 1);
        let after = fs::read(&path).unwrap();
        let block = |bytes: &[u8], id: usize| bytes[3 * PAGE + id * BLOCK..][..BLOCK].to_vec();
        assert_eq!((block(&after, 1), block(&after, 2)), (block(&before, 1), block(&before, 2)));
        assert_eq!(block(&after, 0), sealed(vec![8; BLOCK]), "a block that can be read is left as it is");
    }

    #[test]
    fn a_copy_outlives_a_checkpoint_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = store(folder.path());
        let before = fs::read(&path).unwrap();
        save(&path, &file, &[0, 1, 2]).unwrap();
        // The first attempt leaves a block half written, the second fails too.
        write_at(&file, &vec![9; 5_000], HEADERS).unwrap();
        save(&path, &file, &[0, 1, 2]).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 1);
        assert_eq!(fs::read(&path).unwrap(), before);
        // After a checkpoint the next copy is of what the file has then.
        write_at(&file, &header(5), PAGE as u64).unwrap();
        write_at(&file, &sealed(vec![7; BLOCK]), HEADERS).unwrap();
        save(&path, &file, &[0]).unwrap();
        write_at(&file, &[1; 10], HEADERS + 77).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 1);
        assert_eq!(fs::read(&path).unwrap()[3 * PAGE..][..BLOCK], sealed(vec![7; BLOCK]));
    }

    #[test]
    fn a_copy_of_another_checkpoint_or_in_part_restores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = store(folder.path());
        save(&path, &file, &[0, 1, 2]).unwrap();
        write_at(&file, &[7; 100], HEADERS).unwrap();
        let copy = fs::read(path_of(&path)).unwrap();
        let cut = copy[..copy.len() - 1].to_vec();
        let mut changed = copy.clone();
        changed[PAGE + 100] ^= 1;
        for wrong in [Vec::new(), vec![0; 20], cut, changed] {
            fs::write(path_of(&path), wrong).unwrap();
            assert_eq!(restore(&path, &file).unwrap(), 0);
        }
        fs::write(path_of(&path), copy).unwrap();
        write_at(&file, &header(5), PAGE as u64).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 0, "the file has a checkpoint more");
        // A header that was written in part does not count.
        write_at(&file, &[1; 100], PAGE as u64 + 600).unwrap();
        assert_eq!(restore(&path, &file).unwrap(), 1);
        remove(&path);
        assert_eq!((path_of(&path).exists(), restore(&path, &file).unwrap()), (false, 0));
    }
}
