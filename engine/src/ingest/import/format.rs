//! Format of a file for import: given by a content type, or detected from the file.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::ingest::{
    files::{Container, FileError, LineReader, TableFormat, TextReader, open},
    text::Dialect,
};

/// Format of a file for import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportFormat {
    /// CSV with a header.
    Csv,
    /// Parquet with the same columns.
    Parquet,
    /// JSON: one object per line or an array of objects with these columns as fields, lines of
    /// `{"metric":{…},"values":[…],"timestamps":[…]}`, or Prometheus' response to a range query.
    Ndjson,
    /// Prometheus text; OpenMetrics when it ends with `# EOF`.
    PrometheusText,
}

impl ImportFormat {
    /// Returns the format of a content type, if known.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "text/csv" | "application/csv" => Some(Self::Csv),
            "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => Some(Self::Parquet),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/json" => {
                Some(Self::Ndjson)
            }
            "application/openmetrics-text" => Some(Self::PrometheusText),
            _ => None,
        }
    }

    /// Detects the format of a file by its first bytes, then its name, then its first line.
    pub(super) fn detect(path: &Path) -> Result<Self, FileError> {
        let (file, container) = open(path)?;
        if container == Container::Parquet {
            return Ok(Self::Parquet);
        }
        if let Some(format) = by_name(path) {
            return Ok(format);
        }
        let mut first = String::new();
        let mut start = BufReader::new(TextReader::of(path, file, container)?.take(1 << 16));
        // A line that is not UTF-8 stays empty here; the later reader reports it with its position.
        while first.trim().is_empty() && start.read_line(&mut first).is_ok_and(|read| read > 0) {}
        Ok(by_first_line(first.trim()))
    }
}

fn by_first_line(first: &str) -> ImportFormat {
    const TIME: [&str; 5] = ["timestamp", "time", "_time", "ds", "date"];
    let is_object = first.starts_with('{') && first.contains(':');
    if is_object || first.starts_with("[{") || first == "[" || first == "{" {
        return ImportFormat::Ndjson;
    }
    let mut columns = first.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"').to_ascii_lowercase());
    let has_time = columns.any(|column| TIME.contains(&column.as_str()));
    let is_annotated = ["sep=", "#group", "#datatype", "#default"].iter().any(|mark| first.starts_with(mark));
    if has_time || is_annotated || (first.contains(',') && !first.contains('{') && !first.starts_with('#')) {
        ImportFormat::Csv
    } else {
        ImportFormat::PrometheusText
    }
}

impl ImportFormat {
    /// Returns the table format; `None` for Prometheus text, which is not a table.
    pub(super) fn table(self) -> Option<TableFormat> {
        match self {
            Self::Csv => Some(TableFormat::Csv),
            Self::Parquet => Some(TableFormat::Parquet),
            Self::Ndjson => Some(TableFormat::Json),
            Self::PrometheusText => None,
        }
    }
}

fn by_name(path: &Path) -> Option<ImportFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" => Some(ImportFormat::Csv),
        "parquet" => Some(ImportFormat::Parquet),
        "ndjson" | "jsonl" | "json" => Some(ImportFormat::Ndjson),
        "prom" | "om" | "openmetrics" => Some(ImportFormat::PrometheusText),
        _ => None,
    }
}

/// Detects the dialect of a text: OpenMetrics if the last line is `# EOF`.
pub(super) fn dialect(path: &Path) -> Result<Dialect, FileError> {
    let mut lines = LineReader::new(path, TextReader::open(path)?);
    let mut is_end = false;
    while let Some((_, line)) = lines.next()? {
        is_end = line.trim_ascii_end() == b"# EOF";
    }
    Ok(if is_end { Dialect::OpenMetrics } else { Dialect::Prometheus })
}
