//! Corrects a single changed bit by the checksum of the bytes, where only one bit explains the difference.
//!
//! The checksum is the exclusive or of a product for each word. Changing bit `n` of a word changes its product from bit `n` upwards and no lower
//! bit, so that the lowest bit of the difference between the stored and the computed checksum is the position of the bit. What is left to find is the word.

use super::super::checksum::{checksum, part_of, remainder};

/// Highest bit of a word that is corrected. A difference without lower bits has few possible values, so that several changed bits can look like one: of
/// blocks with two changed bits, 1 in 13,000 would be corrected wrongly, and 1 in 500 with 40 as the highest bit (52,000 tried).
const HIGHEST_BIT: u32 = 24;

/// Corrects the bytes or their checksum; returns whether they agree now. Without a single explanation nothing is changed.
pub(super) fn correct(bytes: &mut [u8], stored: &mut u64) -> bool {
    let computed = checksum(bytes);
    let difference = *stored ^ computed;
    if difference == 0 {
        return true;
    }
    if difference.trailing_zeros() > HIGHEST_BIT {
        return false;
    }
    let mut found = in_words(bytes, difference);
    found.extend(in_remainder(bytes, difference));
    let of_checksum = difference.is_power_of_two();
    match (found.as_slice(), of_checksum) {
        ([], true) => *stored = computed,
        (&[(byte, mask)], false) => bytes[byte] ^= mask,
        _ => return false,
    }
    checksum(bytes) == *stored
}

/// Returns the bytes and their bits in whole words that would explain the difference.
fn in_words(bytes: &[u8], difference: u64) -> Vec<(usize, u8)> {
    let bit = difference.trailing_zeros();
    let (words, _) = bytes.as_chunks::<8>();
    let explains = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        part_of(word) ^ part_of(word ^ 1 << bit) == difference
    };
    let byte = (bit / 8) as usize;
    let matching = words.iter().enumerate().filter(|(_, word)| explains(word));
    matching.map(|(place, _)| (place * 8 + byte, 1 << (bit % 8))).take(2).collect()
}

/// Returns the bytes and their bits after the last whole word that would explain the difference.
fn in_remainder(bytes: &[u8], difference: u64) -> Vec<(usize, u8)> {
    let (words, rest) = bytes.as_chunks::<8>();
    let before = words.len() * 8;
    let mut found = Vec::new();
    let mut changed = rest.to_vec();
    for place in 0..rest.len() {
        for bit in 0..8 {
            changed[place] ^= 1 << bit;
            if remainder(&changed) ^ remainder(rest) == difference {
                found.push((before + place, 1 << bit));
            }
            changed[place] ^= 1 << bit;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns bytes without a pattern, always the same.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[5]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn one_changed_bit_is_corrected_or_left_but_never_made_worse() {
        for length in [5, 16, 21, 4_088, 65_528] {
            let (sound, mut corrected, mut left) = (noise(length), 0, 0);
            let sum = checksum(&sound);
            for step in 0..200 {
                let (place, bit) = (step * 7_919 % length, step % 8);
                let mut bytes = sound.clone();
                bytes[place] ^= 1 << bit;
                let (changed, mut stored) = (bytes.clone(), sum);
                if correct(&mut bytes, &mut stored) {
                    assert_eq!((bytes == sound, stored), (true, sum), "{length}: byte {place}, bit {bit}");
                    corrected += 1;
                } else {
                    assert!(bytes == changed && stored == sum);
                    left += u32::from(place % 8 < 3);
                }
            }
            assert!(corrected > 60 && left < 5, "{length}: {corrected} corrected, {left} left");
        }
    }

    #[test]
    fn a_changed_bit_of_the_checksum_is_corrected() {
        let sound = noise(4_088);
        for bit in 0..64 {
            let changed = checksum(&sound) ^ 1 << bit;
            let (mut bytes, mut stored) = (sound.clone(), changed);
            // A single high bit is also what a changed bit of the bytes gives.
            let is_corrected = correct(&mut bytes, &mut stored);
            assert_eq!(
                (is_corrected, stored),
                if bit <= 24 { (true, checksum(&sound)) } else { (false, changed) },
                "{bit}"
            );
            assert_eq!(bytes, sound);
        }
    }

    #[test]
    fn what_several_bits_explain_is_left() {
        // All words are equal, so that each of them could be the changed one.
        let sound = [7; 4_088];
        let (mut bytes, mut stored) = (sound.to_vec(), checksum(&sound));
        bytes[9] ^= 4;
        assert!(!correct(&mut bytes, &mut stored));
        // More than one bit.
        let sound = noise(65_528);
        for place in (0..sound.len()).step_by(37) {
            // A high bit, the highest among them, whose difference is a single bit.
            let (mut bytes, mut stored) = (sound.clone(), checksum(&sound));
            bytes[place / 8 * 8 + 7] ^= if place % 2 == 0 { 0x80 } else { 0x20 };
            assert!(!correct(&mut bytes, &mut stored), "{place}");
        }
        for step in 0..300 {
            let (mut bytes, mut stored) = (sound.clone(), checksum(&sound));
            for other in 0..(2 + step % 5) {
                bytes[(step * 104_729 + other * 15_485_863) % sound.len()] ^= 1 << ((step + 3 * other) % 8);
            }
            let changed = bytes.clone();
            assert!(!correct(&mut bytes, &mut stored) && bytes == changed, "{step}");
        }
    }
}
