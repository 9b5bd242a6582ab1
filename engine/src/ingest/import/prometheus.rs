//! Reads the samples of Prometheus text or OpenMetrics for an import.

use std::path::Path;

use super::rows::{SampleSink, Samples};
use crate::ingest::{
    files::{FileError, LineReader, Place, TextReader},
    text::{Dialect, TextError, TextParser},
    timestamp::{ParsedTimestamp, UnitDetector},
};

/// Reads Prometheus text or OpenMetrics; samples without a timestamp get `now_ms`.
pub(super) fn read(
    path: &Path,
    dialect: Dialect,
    now_ms: i64,
    sink: &mut dyn SampleSink,
) -> Result<UnitDetector, FileError> {
    let wrong = |error: TextError| FileError::row(path, Place::Line(error.line), error.problem.to_string());
    let mut parser = TextParser::new(dialect);
    let mut lines = LineReader::new(path, TextReader::open(path)?);
    let mut units = UnitDetector::default();
    while let Some((number, line)) = lines.next()? {
        let Some(sample) = parser.line(line).map_err(wrong)? else { continue };
        if let Some(stamp) = sample.timestamp_ms {
            // The parser has converted OpenMetrics' seconds to milliseconds, so their unit is known.
            let written = match dialect {
                Dialect::Prometheus => ParsedTimestamp::Integer(stamp),
                Dialect::OpenMetrics => ParsedTimestamp::Fraction(stamp),
            };
            units.count(written, number);
        }
        let samples = Samples {
            timestamps: &[sample.timestamp_ms.unwrap_or(now_ms)],
            values: &[sample.value],
            place: &|_| Place::Line(number),
        };
        sink.samples(&sample.labels(), &samples)?;
    }
    parser.finish().map_err(wrong)?;
    sink.declared(&parser);
    Ok(units)
}
