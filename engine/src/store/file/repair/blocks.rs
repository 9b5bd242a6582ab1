//! Copies a database file block by block, compares the checksums, and corrects what can be corrected.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
};

use super::{
    super::{
        checksum::checksum,
        format::{HEADERS, PAGE, block_bytes_of, field, is_sound, stored},
        place::read_at,
    },
    correct::correct,
};

/// What was found while the blocks were copied.
#[derive(Debug, Default)]
pub(super) struct CopiedBlocks {
    /// Blocks whose checksum differs, or that the file has no longer as a whole. Blocks that are free are among them.
    pub(super) damaged: BTreeSet<i64>,
    /// Blocks that the file contains.
    pub(super) count: i64,
    /// Pages and blocks in which a bit was corrected.
    pub(super) corrected: u64,
}

impl CopiedBlocks {
    /// Returns whether a block cannot be read.
    pub(super) fn is_damaged(&self, block: i64) -> bool {
        block >= self.count || self.damaged.contains(&block)
    }
}

/// A file whose headers cannot be read.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// No part of the header is that of a database.
    NotDuckDb,
    /// Why.
    Damaged(String),
    /// The file cannot be read or written.
    Io(io::Error),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Copies a file of `length` bytes. `checkpoints`: number of checkpoints that the store is known to have had; `template`: the main header of a new
/// file. `count` is called with the bytes copied.
pub(super) fn copy(
    source: &File,
    length: u64,
    out: &mut File,
    checkpoints: Option<u64>,
    template: &[u8],
    count: &mut dyn FnMut(u64) -> io::Result<()>,
) -> Result<CopiedBlocks, HeaderError> {
    if length < HEADERS {
        let what = format!("it has {length} bytes, less than its header");
        return Err(HeaderError::Damaged(what));
    }
    let mut copied = CopiedBlocks::default();
    let mut pages = vec![0; 3 * PAGE];
    read_at(source, &mut pages, 0)?;
    let block_bytes = mend_headers(&mut pages, checkpoints, template, &mut copied.corrected)?;
    out.write_all(&pages)?;
    count(HEADERS)?;
    let mut block = vec![0; usize::try_from(block_bytes).unwrap_or(PAGE)];
    let mut at = HEADERS;
    while at < length {
        let take = usize::try_from(length - at).map_or(block.len(), |left| left.min(block.len()));
        read_at(source, &mut block[..take], at)?;
        if take < block.len() {
            copied.damaged.insert(copied.count);
        } else if !is_sound(&block) {
            if mend(&mut block) {
                copied.corrected += 1;
            } else {
                copied.damaged.insert(copied.count);
            }
        }
        out.write_all(&block[..take])?;
        copied.count += 1;
        at += take as u64;
        count(take as u64)?;
    }
    Ok(copied)
}

/// Makes the headers readable, and returns the size of the blocks in bytes.
fn mend_headers(
    pages: &mut [u8],
    checkpoints: Option<u64>,
    template: &[u8],
    corrected: &mut u64,
) -> Result<u64, HeaderError> {
    let (main, databases) = pages.split_at_mut(PAGE);
    let (first, second) = databases.split_at_mut(PAGE);
    let mut make_sound = |page: &mut [u8]| {
        let was_sound = is_sound(page);
        let is_now = was_sound || mend(page);
        *corrected += u64::from(is_now && !was_sound);
        is_now
    };
    let is_main_sound = make_sound(main);
    match (make_sound(first), make_sound(second)) {
        (true, true) => {}
        (true, false) => replace(first, second, checkpoints)?,
        (false, true) => replace(second, first, checkpoints)?,
        (false, false) if is_main_sound => {
            return Err(HeaderError::Damaged("both of its headers are damaged".to_owned()));
        }
        (false, false) => return Err(HeaderError::NotDuckDb),
    }
    if !is_main_sound {
        // It has nothing but the format's version and the release that created the file.
        main.copy_from_slice(&template[..PAGE]);
        *corrected += 1;
    }
    let valid = if field(first, 0) > field(second, 0) { first } else { second };
    block_bytes_of(valid).ok_or(HeaderError::NotDuckDb)
}

/// Replaces a damaged header by the sound one, which must be the newer.
fn replace(sound: &[u8], damaged: &mut [u8], checkpoints: Option<u64>) -> Result<(), HeaderError> {
    let (kept, lost) = (field(sound, 0), field(damaged, 0));
    let is_newer = match checkpoints {
        Some(known) => kept >= known,
        // Without a record the damaged page itself must have the number of the checkpoint before.
        None => kept.checked_sub(1) == Some(lost),
    };
    if !is_newer {
        // Blocks that the older header names may have been written again since.
        return Err(HeaderError::Damaged("the header of its last checkpoint is damaged".to_owned()));
    }
    damaged.copy_from_slice(sound);
    damaged[8..16].copy_from_slice(&kept.saturating_sub(1).to_le_bytes());
    let sum = checksum(&damaged[8..]);
    damaged[..8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// Corrects a bit of a page or block; returns whether it is sound now.
fn mend(block: &mut [u8]) -> bool {
    let mut sum = stored(block);
    let is_mended = correct(&mut block[8..], &mut sum);
    block[..8].copy_from_slice(&sum.to_le_bytes());
    is_mended
}
