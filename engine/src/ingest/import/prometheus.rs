//! Hands the samples of Prometheus text or OpenMetrics to an import.

use std::path::Path;

use super::rows::{Samples, Sink};
use crate::ingest::{
    files::{FileError, Lines, Place, Text},
    stamp::{UnitCensus, Written},
    text::{Dialect, TextError, TextParser},
};

/// Reads Prometheus text or OpenMetrics; samples without a timestamp get `now_ms`.
pub(super) fn read(path: &Path, dialect: Dialect, now_ms: i64, sink: &mut dyn Sink) -> Result<UnitCensus, FileError> {
    let wrong = |error: TextError| FileError::row(path, Place::Line(error.line), error.problem.to_string());
    let mut parser = TextParser::new(dialect);
    let mut lines = Lines::new(path, Text::open(path)?);
    let mut census = UnitCensus::default();
    while let Some((number, line)) = lines.next()? {
        let Some(sample) = parser.line(line).map_err(wrong)? else { continue };
        if let Some(stamp) = sample.timestamp_ms {
            // OpenMetrics has seconds, and the parser has made milliseconds of them.
            let written = match dialect {
                Dialect::Prometheus => Written::Integer(stamp),
                Dialect::OpenMetrics => Written::Fraction(stamp),
            };
            census.count(written, number);
        }
        let samples = Samples {
            timestamps: &[sample.timestamp_ms.unwrap_or(now_ms)],
            values: &[sample.value],
            place: &|_| Place::Line(number),
        };
        sink.samples(&sample.labels(), &samples)?;
    }
    parser.finish().map_err(wrong)?;
    sink.stated(&parser);
    Ok(census)
}
