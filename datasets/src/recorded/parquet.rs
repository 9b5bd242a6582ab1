//! Reads embedded Parquet files. Called by `recording` and `application`.

use std::io::Write;

use almanac_engine::series::{Labels, METRIC_NAME, SeriesSamples, stale_marker};
use duckdb::{Connection, Row};

use super::RecordingError;

/// Name and contents of an embedded file.
pub(super) type Embedded = (&'static str, &'static [u8]);

/// Runs a query over an embedded Parquet file, which is the view `rows` in SQL, and calls `take` with each row.
pub(super) fn each_row(
    (file, bytes): Embedded,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> duckdb::Result<()>,
) -> Result<(), RecordingError> {
    // DuckDB reads Parquet from files only.
    let mut copy = tempfile::Builder::new().prefix("almanac-recording-").suffix(".parquet").tempfile()?;
    copy.write_all(bytes)?;
    let path = copy.path().to_string_lossy().replace('\'', "''");
    let mut read = || -> duckdb::Result<()> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&format!("SET threads = 1; CREATE VIEW rows AS SELECT * FROM '{path}'"))?;
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    };
    read().map_err(|source| RecordingError::Table { file, source })
}

/// Reads the series of a file with the columns `series`, `timestamp` and `value`; a missing value is a stale marker.
pub(super) fn read_series(samples: Embedded) -> Result<Vec<SeriesSamples>, RecordingError> {
    let mut sizes: Vec<(String, usize)> = Vec::new();
    each_row(samples, "SELECT series, count(*) FROM rows GROUP BY series ORDER BY series", |row| {
        sizes.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    let mut all = Vec::with_capacity(sizes.len());
    for (text, n) in &sizes {
        let (timestamps, values) = (Vec::with_capacity(*n), Vec::with_capacity(*n));
        all.push(SeriesSamples { labels: parse_labels(text)?, timestamps, values });
    }
    // Both queries have the same order, so that each series is filled to its known size before the next one.
    let mut idx = 0;
    each_row(samples, "SELECT epoch_ms(timestamp), value FROM rows ORDER BY series, timestamp", |row| {
        while all.get(idx).is_some_and(|series: &SeriesSamples| series.values.len() == sizes[idx].1) {
            idx += 1;
        }
        if let Some(series) = all.get_mut(idx) {
            series.timestamps.push(row.get(0)?);
            series.values.push(row.get::<_, Option<f64>>(1)?.unwrap_or_else(stale_marker));
        }
        Ok(())
    })?;
    Ok(all)
}

/// Parses labels in Prometheus' notation, `name{a="1",b="2"}`.
fn parse_labels(text: &str) -> Result<Labels, RecordingError> {
    let wrong = || RecordingError::Text { text: text.to_owned(), what: "series" };
    let (name, rest) = text.split_once('{').ok_or_else(wrong)?;
    let mut rest = rest.strip_suffix('}').ok_or_else(wrong)?;
    let mut pairs = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    while !rest.is_empty() {
        let (label, value) = rest.split_once("=\"").ok_or_else(wrong)?;
        let mut text = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().ok_or_else(wrong)? {
                (at, '"') => break at,
                (_, '\\') => match chars.next().ok_or_else(wrong)?.1 {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                (_, other) => text.push(other),
            }
        };
        pairs.push((label.to_owned(), text));
        rest = value[end + 1..].trim_start_matches(',');
    }
    Labels::from_pairs(pairs).map_err(|_| wrong())
}

/// Returns the timestamp of the newest sample, epoch milliseconds.
pub(super) fn newest(series: &[SeriesSamples]) -> Option<i64> {
    series.iter().filter_map(|series| series.timestamps.last()).max().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_as_prometheus_writes_them() {
        let labels = parse_labels(r#"a_total{job="x",path="/a\"b\\c",le="+Inf"}"#).unwrap();
        assert_eq!(labels.to_string(), r#"a_total{job="x",le="+Inf",path="/a\"b\\c"}"#);
        for wrong in ["plain", "a{b}", r#"a{b="c}"#, r#"a{b="c"#] {
            assert!(parse_labels(wrong).is_err(), "{wrong}");
        }
    }
}
