use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use crate::ingest::{
    files::{
        FileError,
        table::{self, Container},
    },
    text::Dialect,
};

/// What a file for import is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// CSV with a header; see the series file.
    Csv,
    /// Parquet with the same columns.
    Parquet,
    /// One JSON object a line: the same columns as fields, or `{"metric":{…},"values":[…],"timestamps":[…]}`.
    Ndjson,
    /// Prometheus text; OpenMetrics when it ends with `# EOF`.
    PrometheusText,
}

impl ImportFormat {
    /// The format that a content type names, if it names one.
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

    /// The format of a file: by its first bytes, then by its name, then by its first line.
    pub(super) fn detect(path: &Path) -> Result<Self, FileError> {
        let (file, container) = table::open(path)?;
        if container == Container::Parquet {
            return Ok(Self::Parquet);
        }
        if let Some(format) = by_name(path) {
            return Ok(format);
        }
        let mut first = String::new();
        let mut start = BufReader::new(table::text(file, container).take(1 << 16));
        // A line that is not UTF-8 stays empty here; the reader proper tells its place.
        while first.trim().is_empty() && start.read_line(&mut first).is_ok_and(|read| read > 0) {}
        let first = first.trim_start_matches('\u{feff}').trim();
        let has_column = first.split(',').any(|column| column.trim().trim_matches('"') == "timestamp");
        Ok(if first.starts_with('{') && first.contains(':') {
            Self::Ndjson
        } else if has_column || (first.contains(',') && !first.contains('{') && !first.starts_with('#')) {
            Self::Csv
        } else {
            Self::PrometheusText
        })
    }
}

fn by_name(path: &Path) -> Option<ImportFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" => Some(ImportFormat::Csv),
        "parquet" => Some(ImportFormat::Parquet),
        "ndjson" | "jsonl" | "json" => Some(ImportFormat::Ndjson),
        "prom" | "om" | "openmetrics" => Some(ImportFormat::PrometheusText),
        _ => None,
    }
}

/// The dialect of a text: its last line tells.
pub(super) fn dialect(path: &Path) -> Result<Dialect, FileError> {
    let (file, container) = table::open(path)?;
    let mut lines = BufReader::with_capacity(1 << 16, table::text(file, container));
    let (mut line, mut is_end) = (Vec::new(), false);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|source| FileError::read(path, source))? == 0 {
            return Ok(if is_end { Dialect::OpenMetrics } else { Dialect::Prometheus });
        }
        is_end = line.trim_ascii_end() == b"# EOF";
    }
}
