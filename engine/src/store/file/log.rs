//! Reads the entries of DuckDB's write-ahead log, to find where its last complete transaction ends.
//!
//! Format (DuckDB 1.5, log version 2): 8 bytes with the version, then entries of size (8 bytes), checksum (8 bytes) and
//! payload. A transaction ends with a flush entry. Every commit is synced to disk, so that bytes after the last flush
//! entry belong to a transaction that nobody was told about.

use std::io::{self, Read, Seek, SeekFrom};

use super::checksum::Checksum;

/// The version entry of a log of version 2 without a database identifier.
pub(super) const HEAD: [u8; 8] = [0x64, 0x00, 0x62, 0x65, 0x00, 0x02, 0xff, 0xff];
/// Bytes of size and checksum before a payload.
pub(super) const FRAME: u64 = 16;
/// The payload of a flush entry, and the whole entry.
pub(super) const FLUSH: [u8; 5] = [0x64, 0x00, 0x64, 0xff, 0xff];
pub(super) const FLUSH_ENTRY: [u8; 21] = [
    5, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0xfe, 0x7d, 0x72, 0x2f, 0xed, 0x3d, 0x5e, FLUSH[0], FLUSH[1], FLUSH[2], FLUSH[3],
    FLUSH[4],
];
/// Unit in which a power cut loses bytes: a page of the operating system.
const PAGE: usize = 4096;
/// Bytes read at once; a multiple of 8 and of [`PAGE`].
const PART: usize = 1 << 20;

/// What a log contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogState {
    /// The log has another format, or is empty.
    Unknown,
    /// Complete transactions up to `committed`; the bytes up to `length` after them are an unfinished one.
    Readable {
        /// End of the last complete transaction, in bytes.
        committed: u64,
        /// Length of the log in bytes.
        length: u64,
    },
    /// An entry is damaged and complete transactions follow it.
    Damaged {
        /// Position of the damaged entry in bytes.
        at: u64,
        /// Number of flush entries after it.
        later: u64,
    },
}

/// Reads a log of `length` bytes from its start. `acknowledged`: bytes of it that were synced as far as is known.
///
/// A last transaction that is not complete although its end is there was never acknowledged, if it begins after these bytes; or,
/// where nothing is known, if pages are missing in it.
pub(super) fn examine(log: &mut (impl Read + Seek), length: u64, acknowledged: Option<u64>) -> io::Result<LogState> {
    let mut head = Vec::new();
    log.seek(SeekFrom::Start(0))?;
    log.by_ref().take(HEAD.len() as u64).read_to_end(&mut head)?;
    if length == 0 || (head != HEAD.as_slice() && head.iter().any(|byte| *byte != 0)) {
        // An unfinished head is a prefix of it.
        let is_cut = length > 0 && HEAD.starts_with(&head);
        return Ok(if is_cut { LogState::Readable { committed: 0, length } } else { LogState::Unknown });
    }
    let mut committed = 0;
    let mut at = 0;
    if head == HEAD {
        at = HEAD.len() as u64;
        committed = at;
        while let Some((end, is_flush)) = entry(log, at, length)? {
            at = end;
            if is_flush {
                committed = at;
            }
        }
    }
    let rest = survey(log, at, length)?;
    let is_last = rest.flushes == 1 && rest.ends_with_flush;
    let is_unknown = acknowledged.map_or(rest.has_empty_page, |bytes| bytes <= committed);
    let is_torn = rest.flushes == 0 || (is_last && is_unknown);
    Ok(if is_torn { LogState::Readable { committed, length } } else { LogState::Damaged { at, later: rest.flushes } })
}

/// Reads the entry at `at`: returns its end and whether it is a flush entry, or `None` when it is not complete.
fn entry(log: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Option<(u64, bool)>> {
    if length.saturating_sub(at) < FRAME {
        return Ok(None);
    }
    let (mut size, mut expected) = ([0; 8], [0; 8]);
    log.seek(SeekFrom::Start(at))?;
    log.read_exact(&mut size)?;
    log.read_exact(&mut expected)?;
    let size = u64::from_le_bytes(size);
    if size == 0 || size > length - at - FRAME {
        return Ok(None);
    }
    let mut sum = Checksum::new();
    let mut part = vec![0; usize::try_from(size).map_or(PART, |size| size.min(PART))];
    let mut left = size;
    let mut is_flush = false;
    while left > 0 {
        let take = usize::try_from(left).map_or(part.len(), |left| left.min(part.len()));
        log.read_exact(&mut part[..take])?;
        sum.add(&part[..take]);
        is_flush = size == FLUSH.len() as u64 && part[..take] == FLUSH;
        left -= take as u64;
    }
    Ok((sum.finish() == u64::from_le_bytes(expected)).then_some((at + FRAME + size, is_flush)))
}

/// What follows a position that is not a complete entry.
#[derive(Debug, Default)]
struct Rest {
    flushes: u64,
    ends_with_flush: bool,
    /// Whether a page of the file is zero from its start, or from where the transaction begins in it.
    has_empty_page: bool,
}

/// Looks for flush entries and empty pages from `at` to the end.
fn survey(log: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Rest> {
    let mut rest = Rest::default();
    let mut window: Vec<u8> = Vec::new();
    let mut part = vec![0; PART];
    // Pages are counted from the start of the file.
    let mut position = at - at % PAGE as u64;
    while position < length {
        let take = usize::try_from(length - position).map_or(PART, |left| left.min(PART));
        log.seek(SeekFrom::Start(position))?;
        log.read_exact(&mut part[..take])?;
        let skip = usize::try_from(at.saturating_sub(position)).unwrap_or(take).min(take);
        let (begun, whole) = part[skip..take].split_at((take - skip).min(skip.next_multiple_of(PAGE) - skip));
        let is_zero = |page: &[u8]| page.iter().all(|byte| *byte == 0);
        rest.has_empty_page |= (!begun.is_empty() && is_zero(begun)) || whole.chunks_exact(PAGE).any(is_zero);
        window.extend_from_slice(&part[skip..take]);
        rest.flushes += window.windows(FLUSH_ENTRY.len()).filter(|bytes| *bytes == FLUSH_ENTRY).count() as u64;
        rest.ends_with_flush = window.ends_with(&FLUSH_ENTRY);
        let kept = window.len().min(FLUSH_ENTRY.len() - 1);
        window.drain(..window.len() - kept);
        position += take as u64;
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut sum = Checksum::new();
        sum.add(payload);
        let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
        bytes.extend(sum.finish().to_le_bytes());
        bytes.extend(payload);
        bytes
    }

    /// Returns a log of transactions with one entry of these sizes each.
    fn log(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        for size in sizes {
            bytes.extend(framed(&vec![7; *size]));
            bytes.extend(framed(&FLUSH));
        }
        bytes
    }

    fn state(bytes: &[u8]) -> LogState {
        examine(&mut Cursor::new(bytes), bytes.len() as u64, None).unwrap()
    }

    #[test]
    fn a_flush_entry_is_the_constant() {
        assert_eq!(framed(&FLUSH), FLUSH_ENTRY);
    }

    #[test]
    fn complete_transactions_are_kept_wherever_the_tail_is_cut() {
        let (two, three) = (log(&[10, PART + 3]), log(&[10, PART + 3, 300]));
        let (committed, all) = (two.len() as u64, three.len() as u64);
        assert_eq!(state(&three), LogState::Readable { committed: all, length: all });
        for cut in [1, 8, 15, 16, 17, 200, 316, 320, 336] {
            let length = committed + cut;
            let found = state(&three[..usize::try_from(length).unwrap()]);
            assert_eq!(found, LogState::Readable { committed, length }, "{cut}");
        }
    }

    #[test]
    fn zeros_and_rubbish_without_a_commit_are_a_tail() {
        for tail in [vec![0; 100], vec![0; 3 * PAGE], vec![0xa5; 5_000], vec![1]] {
            let mut bytes = log(&[40]);
            let committed = bytes.len() as u64;
            bytes.extend(tail);
            assert_eq!(state(&bytes), LogState::Readable { committed, length: bytes.len() as u64 });
        }
        assert_eq!(state(&[0; 500]), LogState::Readable { committed: 0, length: 500 });
        assert_eq!(state(&HEAD[..3]), LogState::Readable { committed: 0, length: 3 });
    }

    #[test]
    fn a_changed_byte_before_later_commits_is_damage() {
        let bytes = log(&[40, 5_000, 60]);
        let second = log(&[40]).len();
        for position in [second, second + 9, second + 16, second + 4_000] {
            let mut broken = bytes.clone();
            broken[position] ^= 0x10;
            assert_eq!(state(&broken), LogState::Damaged { at: second as u64, later: 2 }, "{position}");
        }
        let mut last = bytes.clone();
        let at = log(&[40, 5_000]).len();
        last[at + 20] ^= 1;
        assert_eq!(state(&last), LogState::Damaged { at: at as u64, later: 1 }, "acknowledged data");
    }

    #[test]
    fn missing_pages_in_the_last_transaction_are_a_tail() {
        let mut bytes = log(&[40, 3 * PAGE]);
        let committed = log(&[40]).len() as u64;
        let length = bytes.len() as u64;
        let whole = bytes.clone();
        bytes[PAGE..2 * PAGE].fill(0);
        assert_eq!(state(&bytes), LogState::Readable { committed, length });
        // The page in which the transaction begins keeps what was in it before.
        bytes = whole;
        bytes[usize::try_from(committed).unwrap()..PAGE].fill(0);
        assert_eq!(state(&bytes), LogState::Readable { committed, length });
        bytes[PAGE - 1] = 1;
        assert_eq!(state(&bytes), LogState::Damaged { at: committed, later: 1 }, "the page was written");
    }

    #[test]
    fn what_was_acknowledged_decides_about_the_last_transaction() {
        let (first, both) = (log(&[40]), log(&[40, 3 * PAGE]));
        let (committed, length) = (first.len() as u64, both.len() as u64);
        // A page that was written in part, and one that is missing.
        let (mut part, mut missing) = (both.clone(), both);
        part[PAGE + 700..2 * PAGE].fill(0);
        missing[PAGE..2 * PAGE].fill(0);
        let damaged = LogState::Damaged { at: committed, later: 1 };
        for bytes in [part, missing] {
            let state = |known| examine(&mut Cursor::new(&bytes), length, Some(known)).unwrap();
            assert_eq!(state(committed), LogState::Readable { committed, length });
            assert_eq!(state(0), LogState::Readable { committed, length });
            assert_eq!((state(length), state(committed + 1)), (damaged, damaged));
        }
    }

    #[test]
    fn other_formats_are_not_examined() {
        assert_eq!(state(b""), LogState::Unknown);
        assert_eq!(state(b"\x64\x00\x62\x65\x00\x03\xff\xff rest"), LogState::Unknown);
        assert_eq!(state(b"hello"), LogState::Unknown);
    }
}
