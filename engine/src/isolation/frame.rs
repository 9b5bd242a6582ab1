//! Frames on a pipe: a JSON message and a payload, each preceded by its length.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// Maximum length of a message, in bytes: a statement with its parameters, or an error.
const MESSAGE_BYTES: u64 = 16 << 20;

/// Maximum length of a payload, in bytes: an answer is limited to far less.
const PAYLOAD_BYTES: u64 = 1 << 30;

/// Writes one frame and flushes it.
pub(crate) fn write(out: &mut impl Write, message: &impl Serialize, payload: &[u8]) -> io::Result<()> {
    let message = serde_json::to_vec(message)?;
    out.write_all(&(message.len() as u64).to_le_bytes())?;
    out.write_all(&(payload.len() as u64).to_le_bytes())?;
    out.write_all(&message)?;
    out.write_all(payload)?;
    out.flush()
}

/// Reads one frame. Memory is reserved as the bytes arrive, so that a wrong length costs nothing.
///
/// `UnexpectedEof` when the other side has ended, `InvalidData` for anything that [`write`] does not produce.
pub(crate) fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [0; 16];
    input.read_exact(&mut lengths)?;
    let (message, payload) = lengths.split_at(8);
    let length = |bytes: &[u8]| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes);
    let message = read_part(input, length(message), MESSAGE_BYTES)?;
    let payload = read_part(input, length(payload), PAYLOAD_BYTES)?;
    Ok((serde_json::from_slice(&message)?, payload))
}

fn read_part(input: &mut impl Read, length: u64, limit: u64) -> io::Result<Vec<u8>> {
    if length > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut part = Vec::new();
    if input.take(length).read_to_end(&mut part)? as u64 == length {
        Ok(part)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_written() {
        let mut pipe = Vec::new();
        write(&mut pipe, &"first", b"payload").unwrap();
        write(&mut pipe, &7, b"").unwrap();
        let mut input = pipe.as_slice();
        assert_eq!(read::<String>(&mut input).unwrap(), ("first".to_owned(), b"payload".to_vec()));
        assert_eq!(read::<u8>(&mut input).unwrap(), (7, Vec::new()));
        assert_eq!(read::<u8>(&mut input).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn cut_and_foreign_frames_are_errors() {
        let mut pipe = Vec::new();
        write(&mut pipe, &"message", b"payload").unwrap();
        for cut in 1..pipe.len() {
            assert!(read::<String>(&mut &pipe[..cut]).is_err(), "{cut}");
        }
        let huge = [[0xff; 8], [0; 8]].concat();
        assert_eq!(read::<u8>(&mut huge.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(read::<u8>(&mut b"terminate called after throwing an instance".as_slice()).is_err());
    }
}
