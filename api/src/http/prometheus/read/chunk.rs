//! Encodes samples as XOR chunks of Prometheus.
//!
//! Sources: Pelkonen et al. (2015), Gorilla; `tsdb/docs/format/chunks.md` of Prometheus for the differences: timestamps
//! in milliseconds with other bit widths, and a count in front.

/// Most samples of a chunk, as Prometheus writes them.
pub(super) const SAMPLES_PER_CHUNK: usize = 120;

/// Bits in the order in which they are written.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u32,
}

impl Bits {
    /// Writes the lowest `count` bits of `value`, the highest of them first.
    #[expect(clippy::cast_possible_truncation, reason = "masked to the bits of a byte")]
    fn push(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            let part = (value >> (left - taken)) & ((1 << taken) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part << (self.free - taken)) as u8;
            }
            self.free -= taken;
            left -= taken;
        }
    }

    /// Writes a number in base 128, the lowest bits first.
    fn push_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push((value & 0x7f) | 0x80, 8);
            value >>= 7;
        }
        self.push(value, 8);
    }
}

/// Encodes at most [`SAMPLES_PER_CHUNK`] samples in ascending order of time.
#[expect(clippy::cast_sign_loss, reason = "two's complement is what is written")]
pub(super) fn encode(timestamps: &[i64], values: &[f64]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(timestamps.len().min(values.len()) as u64, 16);
    let (mut time, mut delta, mut before) = (0_i64, 0_i64, 0_u64);
    let mut window = None;
    for (idx, (at, value)) in timestamps.iter().zip(values).enumerate() {
        let value = value.to_bits();
        match idx {
            0 => {
                // The sign is the lowest bit.
                bits.push_varint(((at << 1) ^ (at >> 63)) as u64);
                bits.push(value, 64);
            }
            1 => {
                delta = at.wrapping_sub(time);
                bits.push_varint(delta as u64);
                window = push_xor(&mut bits, before ^ value, window);
            }
            _ => {
                let next = at.wrapping_sub(time);
                push_change(&mut bits, next.wrapping_sub(delta));
                delta = next;
                window = push_xor(&mut bits, before ^ value, window);
            }
        }
        (time, before) = (*at, value);
    }
    bits.bytes
}

/// Writes the change of the distance of timestamps: a prefix that says the width, and the bits.
#[expect(clippy::cast_sign_loss, reason = "two's complement is what is written")]
fn push_change(bits: &mut Bits, change: i64) {
    if change == 0 {
        return bits.push(0, 1);
    }
    for (width, prefix, prefix_width) in [(14, 0b10, 2), (17, 0b110, 3), (20, 0b1110, 4)] {
        let half = 1_i64 << (width - 1);
        if (-(half - 1)..=half).contains(&change) {
            bits.push(prefix, prefix_width);
            return bits.push(change as u64, width);
        }
    }
    bits.push(0b1111, 4);
    bits.push(change as u64, 64);
}

/// Writes the difference of the bits of two values: only those between its leading and trailing zeros. `window`: the
/// numbers of zeros of the last difference that was written with them. Returns those that are valid now.
fn push_xor(bits: &mut Bits, difference: u64, window: Option<(u32, u32)>) -> Option<(u32, u32)> {
    if difference == 0 {
        bits.push(0, 1);
        return window;
    }
    bits.push(1, 1);
    // Five bits hold the number of leading zeros.
    let (leading, trailing) = (difference.leading_zeros().min(31), difference.trailing_zeros());
    if let Some((first, last)) = window
        && leading >= first
        && trailing >= last
    {
        bits.push(0, 1);
        bits.push(difference >> last, 64 - first - last);
        return window;
    }
    let width = 64 - leading - trailing;
    bits.push(1, 1);
    bits.push(leading.into(), 5);
    // Six bits hold the width, 64 as 0.
    bits.push((width % 64).into(), 6);
    bits.push(difference >> trailing, width);
    Some((leading, trailing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads bits in the order in which they were written.
    struct Reader<'a>(&'a [u8], usize);

    impl Reader<'_> {
        fn bits(&mut self, count: usize) -> u64 {
            (0..count).fold(0, |value, _| {
                let bit = self.0[self.1 / 8] >> (7 - self.1 % 8) & 1;
                self.1 += 1;
                value << 1 | u64::from(bit)
            })
        }

        fn varint(&mut self) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = self.bits(8);
                value |= (byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        }
    }

    /// Decodes a chunk by the description of the format.
    #[expect(clippy::cast_possible_wrap, reason = "two's complement is what is read")]
    fn decode(bytes: &[u8]) -> (Vec<i64>, Vec<u64>) {
        let mut reader = Reader(bytes, 0);
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let (mut delta, mut leading, mut trailing) = (0_i64, 0, 0);
        for idx in 0..reader.bits(16) {
            if idx == 0 {
                let zigzag = reader.varint();
                times.push((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
                values.push(reader.bits(64));
                continue;
            }
            if idx == 1 {
                delta = reader.varint() as i64;
            } else {
                let ones = (0..4).take_while(|_| reader.bits(1) == 1).count();
                let width = [0, 14, 17, 20, 64][ones];
                let raw = reader.bits(width);
                let is_negative = (1..64).contains(&width) && raw > 1 << (width - 1);
                let change = if is_negative { raw.wrapping_sub(1 << width) } else { raw };
                delta = delta.wrapping_add(change as i64);
            }
            times.push(times.last().unwrap().wrapping_add(delta));
            let mut value = *values.last().unwrap();
            if reader.bits(1) == 1 {
                if reader.bits(1) == 1 {
                    leading = usize::try_from(reader.bits(5)).unwrap();
                    let width = usize::try_from(reader.bits(6)).unwrap();
                    trailing = 64 - leading - if width == 0 { 64 } else { width };
                }
                value ^= reader.bits(64 - leading - trailing) << trailing;
            }
            values.push(value);
        }
        (times, values)
    }

    #[test]
    fn a_chunk_by_hand() {
        // Two samples: count 2, time 1000 as zigzag varint, 1.0, distance 15, equal value (one zero bit).
        let bytes = encode(&[1000, 1015], &[1.0, 1.0]);
        assert_eq!(bytes, [0, 2, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 15, 0]);
    }

    proptest! {
        #[test]
        fn chunks_are_decoded_to_their_samples(
            start in -5_000_000_000_000_i64..5_000_000_000_000,
            steps in prop::collection::vec((prop_oneof![1_i64..3, 14_000_i64..16_000, 1_i64..2_000_000, 1_i64..i64::MAX / 4096], any::<u64>(), 0..4_u8), 1..120),
        ) {
            let (mut times, mut values, mut at, mut value) = (Vec::new(), Vec::new(), start, 0_u64);
            for (step, bits, kind) in steps {
                value = match kind { 0 => value, 1 => bits, 2 => (f64::from_bits(value) + 1.0).to_bits(), _ => value ^ 1 << (bits % 64) };
                times.push(at);
                values.push(value);
                at += step;
            }
            let floats: Vec<f64> = values.iter().map(|value| f64::from_bits(*value)).collect();
            prop_assert_eq!(decode(&encode(&times, &floats)), (times, values));
        }
    }
}
