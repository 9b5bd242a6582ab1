//! The checksum of DuckDB's blocks and of the entries of its write-ahead log (`src/common/checksum.cpp`).

/// Multiplier of a whole word.
const WORD: u64 = 0xbf58_476d_1ce4_e5b9;
/// Constants of the hash of the last bytes, which is `MurmurHash64A` over less than a word.
const MURMUR: u64 = 0xc6a4_a793_5bd1_e995;
const SEED: u64 = 0xe17a_1465;
const SHIFT: u32 = 47;

/// Checksum of bytes that arrive in parts. Every part but the last has a multiple of 8 bytes.
#[derive(Debug, Clone)]
pub(super) struct Checksum(u64);

impl Checksum {
    pub(super) fn new() -> Self {
        Self(5381)
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            self.0 ^= part_of(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.0 ^= remainder(rest);
        }
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }
}

/// Returns the checksum of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = Checksum::new();
    sum.add(bytes);
    sum.finish()
}

/// Returns what a whole word contributes to a checksum, by exclusive or.
pub(super) fn part_of(word: u64) -> u64 {
    word.wrapping_mul(WORD)
}

/// Returns what the last 1 to 7 bytes contribute.
pub(super) fn remainder(rest: &[u8]) -> u64 {
    let mut hash = SEED ^ (rest.len() as u64).wrapping_mul(MURMUR);
    for (byte, shift) in rest.iter().zip((0..).step_by(8)) {
        hash ^= u64::from(*byte) << shift;
    }
    hash = hash.wrapping_mul(MURMUR);
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MURMUR);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of a log that DuckDB 1.5.6 wrote: the end of a transaction, and the creation of the schema `store`.
    #[test]
    fn checksums_agree_with_those_of_duckdb() {
        let check = |payload: &[u8], expected: [u8; 8]| {
            let mut sum = Checksum::new();
            sum.add(payload);
            assert_eq!(sum.finish(), u64::from_le_bytes(expected));
        };
        check(&[0x64, 0x00, 0x64, 0xff, 0xff], [0xe7, 0xfe, 0x7d, 0x72, 0x2f, 0xed, 0x3d, 0x5e]);
        check(b"\x64\x00\x03\x65\x00\x05store\xff\xff", [0x27, 0x98, 0x0f, 0x66, 0x19, 0x79, 0x23, 0x26]);
    }
}
