//! Encodes remote-write requests as a sender does, for tests, benches and the demo.

use hashbrown::HashMap;

use crate::series::{Labels, Sample};

/// Encodes a 1.0 request as a snappy block, with one entry per series.
#[must_use]
pub fn encode_v1(series: &[(Labels, Vec<Sample>)]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut entry = Vec::new();
    for (labels, samples) in series {
        entry.clear();
        for (name, value) in labels.iter() {
            let mut label = Vec::new();
            bytes_field(1, name.as_bytes(), &mut label);
            bytes_field(2, value.as_bytes(), &mut label);
            bytes_field(1, &label, &mut entry);
        }
        sample_fields(samples, &mut entry);
        bytes_field(1, &entry, &mut message);
    }
    compress(&message)
}

/// Encodes a 2.0 request as a snappy block, with one entry per series.
#[must_use]
pub fn encode_v2(series: &[(Labels, Vec<Sample>)]) -> Vec<u8> {
    let mut symbols: Vec<&str> = vec![""];
    let mut by_text: HashMap<&str, u64> = HashMap::from([("", 0)]);
    let mut entries = Vec::new();
    for (labels, samples) in series {
        let mut references = Vec::new();
        for text in labels.iter().flat_map(|(name, value)| [name, value]) {
            let next = symbols.len() as u64;
            let reference = *by_text.entry(text).or_insert_with(|| {
                symbols.push(text);
                next
            });
            varint(reference, &mut references);
        }
        let mut entry = Vec::new();
        bytes_field(1, &references, &mut entry);
        sample_fields(samples, &mut entry);
        bytes_field(5, &entry, &mut entries);
    }
    let mut message = Vec::new();
    for symbol in symbols {
        bytes_field(4, symbol.as_bytes(), &mut message);
    }
    message.extend_from_slice(&entries);
    compress(&message)
}

fn sample_fields(samples: &[Sample], out: &mut Vec<u8>) {
    for sample in samples {
        let mut message = vec![1 << 3 | 1];
        message.extend_from_slice(&sample.value.to_le_bytes());
        message.push(2 << 3);
        #[expect(clippy::cast_sign_loss, reason = "protobuf writes int64 as two's complement")]
        varint(sample.timestamp_ms as u64, &mut message);
        bytes_field(2, &message, out);
    }
}

fn bytes_field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0x7f));
}

fn compress(message: &[u8]) -> Vec<u8> {
    // Compression fails only above 4 GiB; receivers reject the empty body.
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}
