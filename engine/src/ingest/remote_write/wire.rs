//! Decoder of the protobuf wire format.

use super::WireError;

/// Iterator over the fields of one protobuf message, without copying.
///
/// Encoding: <https://protobuf.dev/programming-guides/encoding/>. Unknown fields are skipped.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    /// Number of the field in the message's definition.
    pub(crate) number: u32,
    /// Value of the field.
    pub(crate) value: Value<'a>,
    /// Offset of the field's tag in the message.
    pub(crate) start: usize,
    /// Offset of the end of the field.
    pub(crate) end: usize,
}

/// Value of a field by wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the next field; `None` at the end of the message.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let start = self.at;
        if start == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Tag { tag })?;
        if number == 0 {
            return Err(WireError::Tag { tag });
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WireError::Tag { tag }),
        };
        Ok(Some(Field { number, value, start, end: self.at }))
    }

    /// Reads a base-128 number.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let rest = &self.bytes[self.at..];
        // Fast path: tags and lengths nearly always have one byte.
        match rest.first() {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (idx, &byte) in self.bytes[self.at..].iter().enumerate().take(10) {
            // The tenth byte contains the highest of 64 bits.
            if idx == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * idx);
            if byte < 0x80 {
                self.at += idx + 1;
                return Ok(value);
            }
        }
        Err(if self.bytes.len() - self.at >= 10 { WireError::Varint } else { WireError::Truncated })
    }

    /// Reads this many bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(len).ok_or(WireError::Truncated)?;
        let bytes = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.try_into().map_err(|_| WireError::Truncated)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl<'a> Field<'a> {
    /// Returns the value as `string`, `bytes` or a message.
    #[inline]
    pub(crate) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Type { field: self.number }),
        }
    }

    /// Returns the value as `int64`.
    #[inline]
    pub(crate) fn int64(&self) -> Result<i64, WireError> {
        match self.value {
            #[expect(clippy::cast_possible_wrap, reason = "protobuf writes int64 as two's complement")]
            Value::Varint(number) => Ok(number as i64),
            _ => Err(WireError::Type { field: self.number }),
        }
    }

    /// Returns the value as `uint32`, `uint64` or an enumeration.
    #[inline]
    pub(crate) fn uint64(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(WireError::Type { field: self.number }),
        }
    }

    /// Returns the value as `double`.
    #[inline]
    pub(crate) fn double(&self) -> Result<f64, WireError> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(WireError::Type { field: self.number }),
        }
    }
}

/// Decodes `Sample { double value = 1; int64 timestamp = 2; }`, the same in both versions.
#[inline]
pub(crate) fn sample(message: &[u8]) -> Result<(i64, f64), WireError> {
    let (mut timestamp_ms, mut value) = (0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => value = field.double()?,
            2 => timestamp_ms = field.int64()?,
            _ => {}
        }
    }
    Ok((timestamp_ms, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_wire_type() {
        let bytes = [0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 7, 0, 0, 0];
        let mut fields = Fields::new(&bytes);
        let mut seen = Vec::new();
        while let Some(field) = fields.next().unwrap() {
            seen.push((field.number, field.value));
        }
        let expected =
            [(1, Value::Varint(150)), (2, Value::Fixed64(1)), (3, Value::Bytes(b"hi")), (4, Value::Fixed32(7))];
        assert_eq!(seen, expected);
        assert!(fields.is_done());
    }

    #[test]
    fn malformed_fields_are_named() {
        let check = |bytes: &[u8], expected: WireError| {
            assert_eq!(Fields::new(bytes).next().unwrap_err(), expected, "{bytes:?}");
        };
        check(&[0x08], WireError::Truncated);
        check(&[0x0a, 5, 1], WireError::Truncated);
        check(&[0x11, 1, 2], WireError::Truncated);
        check(&[0x00], WireError::Tag { tag: 0 });
        check(&[0x0b], WireError::Tag { tag: 11 });
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], WireError::Varint);
        check(&[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], WireError::Truncated);
    }

    #[test]
    fn negative_timestamps_survive() {
        let mut bytes = vec![0x09];
        bytes.extend_from_slice(&1.5_f64.to_le_bytes());
        bytes.push(0x10);
        bytes.extend_from_slice(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(sample(&bytes).unwrap(), (-1, 1.5));
    }
}
