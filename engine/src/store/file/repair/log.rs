//! Copies a write-ahead log up to its first entry that cannot be corrected, and the later transactions that only insert rows.
//!
//! A transaction after a damaged one is kept if it depends on nothing that the damaged one may have done: it inserts rows into tables, and changes
//! no table and no row by its place. The format is described in `log.rs` of the parent folder.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use super::{
    super::{
        checksum::{Checksum, checksum},
        log::{FLUSH, FLUSH_ENTRY, FRAME, HEAD, LogState, examine},
    },
    correct::correct,
};

/// Types of the entries of a transaction that only inserts: the table, rows, and rows that are in blocks of the file already.
const INSERTS: [u8; 3] = [25, 26, 29];
/// Largest entry that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// Bytes that are searched at once.
const PART: usize = 1 << 20;

/// What was copied of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CopiedLog {
    /// Bytes of complete transactions from the start of the copy, before the first damaged entry.
    pub(super) prefix: u64,
    /// Bytes of the copy.
    pub(super) length: u64,
    /// Entries in which a bit was corrected.
    pub(super) corrected: u64,
    /// Position of the first damaged entry, if transactions that were committed are lost.
    pub(super) damaged_at: Option<u64>,
    /// Transactions after it that were copied.
    pub(super) later: u64,
    /// Transactions that were not copied, as far as their ends are found.
    pub(super) lost: u64,
}

/// Copies the log `source` of `length` bytes. `acknowledged`: bytes of it that were synced as far as is known.
pub(super) fn copy(source: &mut File, length: u64, acknowledged: Option<u64>, out: &mut File) -> io::Result<CopiedLog> {
    let mut copied = CopiedLog::default();
    let mut head = [0; HEAD.len()];
    if length < head.len() as u64 {
        return Ok(copied);
    }
    source.seek(SeekFrom::Start(0))?;
    source.read_exact(&mut head)?;
    let different: u32 = head.iter().zip(&HEAD).map(|(found, expected)| (found ^ expected).count_ones()).sum();
    if different > 1 {
        // Another version: DuckDB says what it thinks of it.
        source.seek(SeekFrom::Start(0))?;
        copied.length = io::copy(source, out)?;
        copied.prefix = copied.length;
        return Ok(copied);
    }
    copied.corrected = u64::from(different);
    out.write_all(&HEAD)?;
    copied.length = head.len() as u64;
    copied.prefix = copied.length;
    let mut at = copied.length;
    let mut transaction = Transaction::default();
    loop {
        if let Some(entry) = read_entry(source, at, length)? {
            at = entry.end;
            transaction.corrected += u64::from(entry.is_corrected);
            if transaction.push(&entry) {
                let ended = std::mem::take(&mut transaction);
                if copied.damaged_at.is_none() || ended.only_inserts {
                    out.write_all(&ended.bytes)?;
                    copied.length += ended.bytes.len() as u64;
                    copied.corrected += ended.corrected;
                    match copied.damaged_at {
                        None => copied.prefix = copied.length,
                        Some(_) => copied.later += 1,
                    }
                } else {
                    copied.lost += 1;
                }
            }
            continue;
        }
        transaction = Transaction::default();
        // The transaction that the damaged entry is part of ends with the next flush.
        let Some(next) = next_flush(source, at, length)? else { break };
        if copied.damaged_at.is_none() {
            // The last transaction of a power cut may lack pages, and nobody was told about it.
            if copied.corrected == 0 && matches!(examine(source, length, acknowledged)?, LogState::Readable { .. }) {
                break;
            }
            copied.damaged_at = Some(at);
        }
        copied.lost += 1;
        at = next;
    }
    Ok(copied)
}

/// A complete entry.
struct Entry {
    bytes: Vec<u8>,
    end: u64,
    is_corrected: bool,
}

impl Entry {
    fn payload(&self) -> &[u8] {
        self.bytes.get(16..).unwrap_or_default()
    }
}

/// The entries of a transaction whose end was not read yet.
struct Transaction {
    bytes: Vec<u8>,
    only_inserts: bool,
    corrected: u64,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { bytes: Vec::new(), only_inserts: true, corrected: 0 }
    }
}

impl Transaction {
    /// Adds an entry; returns whether it ends the transaction.
    fn push(&mut self, entry: &Entry) -> bool {
        self.bytes.extend_from_slice(&entry.bytes);
        let is_end = entry.payload() == FLUSH;
        // A payload begins with the number of the field, two bytes, and the type.
        let kind = entry.payload().get(2).copied().unwrap_or_default();
        self.only_inserts &= is_end || INSERTS.contains(&kind);
        is_end
    }
}

/// Reads the entry at `at`, corrected if necessary; `None` when it is not complete.
fn read_entry(source: &mut File, at: u64, length: u64) -> io::Result<Option<Entry>> {
    if length.saturating_sub(at) < FRAME {
        return Ok(None);
    }
    let (mut size, mut sum) = ([0; 8], [0; 8]);
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(&mut size)?;
    source.read_exact(&mut sum)?;
    let (size, mut sum) = (u64::from_le_bytes(size), u64::from_le_bytes(sum));
    let rest = (length - at - FRAME).min(LARGEST);
    let mut payload = Vec::new();
    let is_possible = |size: u64| size > 0 && size <= rest;
    if is_possible(size) {
        Read::by_ref(source).take(size).read_to_end(&mut payload)?;
        let stored = sum;
        let was_sound = checksum(&payload) == stored;
        if correct(&mut payload, &mut sum) {
            return Ok(Some(Entry::new(size, sum, &payload, at, !was_sound)));
        }
    }
    // A changed bit of the size, from the shortest entry on.
    let mut sizes: Vec<u64> = (0..40).map(|bit| size ^ (1 << bit)).filter(|size| is_possible(*size)).collect();
    sizes.sort_unstable();
    let mut running = Running::default();
    for size in sizes {
        if running.until(source, at + FRAME, size)? == sum {
            payload.clear();
            source.seek(SeekFrom::Start(at + FRAME))?;
            Read::by_ref(source).take(size).read_to_end(&mut payload)?;
            return Ok(Some(Entry::new(size, sum, &payload, at, true)));
        }
    }
    Ok(None)
}

impl Entry {
    fn new(size: u64, sum: u64, payload: &[u8], at: u64, is_corrected: bool) -> Self {
        let bytes = [size.to_le_bytes().as_slice(), &sum.to_le_bytes(), payload].concat();
        Self { bytes, end: at + FRAME + size, is_corrected }
    }
}

/// Checksums of longer and longer beginnings of the same bytes.
struct Running {
    words: Checksum,
    /// Bytes in `words`, a multiple of 8.
    done: u64,
}

impl Default for Running {
    fn default() -> Self {
        Self { words: Checksum::new(), done: 0 }
    }
}

impl Running {
    /// Returns the checksum of the first `size` bytes from `begin` on; sizes ascend.
    fn until(&mut self, source: &mut File, begin: u64, size: u64) -> io::Result<u64> {
        let mut part = vec![0; PART];
        source.seek(SeekFrom::Start(begin + self.done))?;
        while size - self.done >= 8 {
            let words = (size - self.done) / 8 * 8;
            let take = usize::try_from(words).map_or(PART, |words| words.min(PART));
            source.read_exact(&mut part[..take])?;
            self.words.add(&part[..take]);
            self.done += take as u64;
        }
        let rest = usize::try_from(size - self.done).unwrap_or(0);
        source.read_exact(&mut part[..rest])?;
        let mut all = self.words.clone();
        all.add(&part[..rest]);
        Ok(all.finish())
    }
}

/// Returns the end of the first flush entry that begins at `at` or later.
fn next_flush(source: &mut File, at: u64, length: u64) -> io::Result<Option<u64>> {
    let (mut window, mut begin, mut position) = (Vec::new(), at, at);
    let mut part = vec![0; PART];
    source.seek(SeekFrom::Start(at))?;
    while position < length {
        let take = usize::try_from(length - position).map_or(PART, |left| left.min(PART));
        source.read_exact(&mut part[..take])?;
        window.extend_from_slice(&part[..take]);
        position += take as u64;
        if let Some(found) = window.windows(FLUSH_ENTRY.len()).position(|bytes| bytes == FLUSH_ENTRY) {
            return Ok(Some(begin + (found + FLUSH_ENTRY.len()) as u64));
        }
        let gone = window.len().saturating_sub(FLUSH_ENTRY.len() - 1);
        window.drain(..gone);
        begin += gone as u64;
    }
    Ok(None)
}
