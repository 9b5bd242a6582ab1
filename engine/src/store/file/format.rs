//! The headers and blocks of a database file.
//!
//! Format (DuckDB 1.5): three pages of 4,096 bytes, the main header and two database headers of which the one with the higher
//! number of checkpoints is valid, then blocks of equal size. Each page and block begins with the checksum of the rest.

use std::{fs::File, io};

use super::{checksum::checksum, place::read_at};

/// Bytes of a page of the header.
pub(super) const PAGE: usize = 4_096;
/// Bytes before the first block.
pub(in crate::store) const HEADERS: u64 = 3 * PAGE as u64;
/// Sizes of blocks that DuckDB takes.
const BLOCK_BYTES: std::ops::RangeInclusive<u64> = (16 << 10)..=(256 << 10);

/// Returns a field of a database header: 0 number of checkpoints, 1 metadata, 2 free list, 3 number of blocks, 4 bytes of a block.
pub(super) fn field(page: &[u8], place: usize) -> u64 {
    let at = 8 + place * 8;
    page.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Returns the size of the blocks by a database header; `None` if DuckDB takes no such blocks.
pub(super) fn block_bytes_of(header: &[u8]) -> Option<u64> {
    let bytes = field(header, 4);
    (BLOCK_BYTES.contains(&bytes) && bytes.is_power_of_two()).then_some(bytes)
}

/// Returns whether the checksum of a page or block is that of its contents.
pub(super) fn is_sound(block: &[u8]) -> bool {
    block.len() > 8 && stored(block) == checksum(&block[8..])
}

/// Returns the checksum that a page or block has.
pub(super) fn stored(block: &[u8]) -> u64 {
    block.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Reads the valid database header; `None` if both are damaged.
pub(super) fn valid_header(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut valid: Option<Vec<u8>> = None;
    for place in 1..=2 {
        let mut page = vec![0; PAGE];
        read_at(file, &mut page, place * PAGE as u64)?;
        if is_sound(&page) && valid.as_ref().is_none_or(|other| field(&page, 0) > field(other, 0)) {
            valid = Some(page);
        }
    }
    Ok(valid)
}
