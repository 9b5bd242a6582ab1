use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use super::rows::Sink;
use crate::ingest::{
    files::{FileError, Place},
    text::{Dialect, TextError, TextParser},
};

/// Reads Prometheus text or OpenMetrics; samples without a timestamp get `now_ms`.
pub(super) fn read(
    path: &Path,
    text: impl Read,
    dialect: Dialect,
    now_ms: i64,
    sink: &mut dyn Sink,
) -> Result<(), FileError> {
    let wrong = |error: TextError| FileError::row(path, Place::Line(error.line), error.problem.to_string());
    let mut parser = TextParser::new(dialect);
    let mut lines = BufReader::with_capacity(1 << 16, text);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|source| FileError::read(path, source))? == 0 {
            return parser.finish().map_err(wrong);
        }
        let sample = parser.line(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(wrong)?;
        if let Some(sample) = sample {
            let place = Place::Line(parser.line_number());
            sink.sample(place, &sample.labels(), sample.timestamp_ms.unwrap_or(now_ms), sample.value)?;
        }
    }
}
