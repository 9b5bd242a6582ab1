//! Reads the journal of `faulty_disk.c`.

/// Bytes of a record before its names and data: kind and bytes of the names (32 bits each), inode, offset, length (64 bits each).
const HEAD: usize = 32;

/// A change or a sync that succeeded, or a sync that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Write { inode: u64, offset: u64, data: &'a [u8] },
    Length { inode: u64, length: u64 },
    Zeros { inode: u64, offset: u64, length: u64 },
    Sync { inode: u64 },
    SyncFailed { inode: u64 },
    SyncFolder,
    Create { inode: u64, name: &'a str },
    Unlink { name: &'a str },
    Rename { from: &'a str, to: &'a str },
    Link { from: &'a str, to: &'a str },
}

/// Returns the records of a journal. A record that a kill has cut off at its end is left out.
///
/// # Errors
/// A kind that is not known, and names that are not UTF-8.
pub(super) fn records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, String> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let number = |at: usize, length: usize| {
            let mut value = [0; 8];
            value[..length].copy_from_slice(&head[at..at + length]);
            u64::from_le_bytes(value)
        };
        let (kind, names, inode, offset, length) =
            (number(0, 4), number(4, 4), number(8, 8), number(16, 8), number(24, 8));
        let as_size = |length: u64| usize::try_from(length).map_err(|error| error.to_string());
        let Some((names, rest)) = rest.split_at_checked(as_size(names)?) else { break };
        let has_data = kind == 1;
        let Some((data, rest)) = rest.split_at_checked(if has_data { as_size(length)? } else { 0 }) else { break };
        bytes = rest;
        let names = std::str::from_utf8(names).map_err(|error| error.to_string())?;
        let mut names = names.split_terminator('\0');
        let mut name = || names.next().unwrap_or("");
        found.push(match kind {
            1 => Record::Write { inode, offset, data },
            2 => Record::Length { inode, length: offset },
            3 => Record::Sync { inode },
            4 => Record::SyncFailed { inode },
            5 => Record::Create { inode, name: name() },
            6 => Record::Unlink { name: name() },
            7 => Record::Rename { from: name(), to: name() },
            8 => Record::Link { from: name(), to: name() },
            9 => Record::SyncFolder,
            10 => Record::Zeros { inode, offset, length },
            other => return Err(format!("the journal has a record of kind {other}")),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_cut_off_is_left_out() {
        let record = |kind: u32, names: &str, inode: u64, offset: u64, length: u64, data: &[u8]| {
            let head = [kind.to_le_bytes(), u32::try_from(names.len()).unwrap().to_le_bytes()].concat();
            let numbers = [inode, offset, length].map(u64::to_le_bytes).concat();
            [&head, &numbers, names.as_bytes(), data].concat()
        };
        let bytes = [
            record(5, "a.wal\0", 7, 0, 0, b""),
            record(1, "", 7, 4096, 3, b"abc"),
            record(7, "a\0b\0", 0, 0, 0, b""),
            record(1, "", 7, 0, 9, b"too short"),
        ]
        .concat();
        let expected = [
            Record::Create { inode: 7, name: "a.wal" },
            Record::Write { inode: 7, offset: 4096, data: b"abc" },
            Record::Rename { from: "a", to: "b" },
        ];
        for cut in [1, 9, 20] {
            assert_eq!(records(&bytes[..bytes.len() - cut]).unwrap(), expected);
        }
        assert!(records(&record(99, "", 0, 0, 0, b"")).is_err());
    }
}
