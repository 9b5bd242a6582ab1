//! Labels and exemplars of the protobuf format.

use crate::ingest::{
    EXEMPLAR_LABEL_CHARS,
    remote_write::{WireError, wire::Fields},
    text::PageExemplar,
};

/// Why a label cannot be read.
pub(super) enum PairError {
    Wire(WireError),
    NotUtf8,
}

impl From<WireError> for PairError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Decodes `LabelPair { string name = 1; string value = 2; }`.
pub(super) fn pair(message: &[u8]) -> Result<(String, String), PairError> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| PairError::NotUtf8);
    let mut pair = (String::new(), String::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => pair.0 = text(field.bytes()?)?,
            2 => pair.1 = text(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(pair)
}

/// Decodes `Exemplar { repeated LabelPair label = 1; double value = 2; Timestamp timestamp = 3; }`; `None` if its labels
/// are no text.
pub(super) fn exemplar(message: &[u8]) -> Result<Option<PageExemplar>, WireError> {
    let mut exemplar = PageExemplar { labels: Vec::new(), value: 0.0, timestamp_ms: None };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            // More labels than characters are too long in any case.
            1 if exemplar.labels.len() <= EXEMPLAR_LABEL_CHARS => match pair(field.bytes()?) {
                Ok(pair) => exemplar.labels.push(pair),
                Err(PairError::NotUtf8) => return Ok(None),
                Err(PairError::Wire(error)) => return Err(error),
            },
            2 => exemplar.value = field.double()?,
            3 => {
                let (mut seconds, mut nanos) = (0_i64, 0_i64);
                let mut parts = Fields::new(field.bytes()?);
                while let Some(part) = parts.next()? {
                    match part.number {
                        1 => seconds = part.int64()?,
                        2 => nanos = part.int64()?,
                        _ => {}
                    }
                }
                exemplar.timestamp_ms = Some(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000));
            }
            _ => {}
        }
    }
    Ok(Some(exemplar))
}
