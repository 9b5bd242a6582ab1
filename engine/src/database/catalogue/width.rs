//! How many bytes the values of a column have, those that PostgreSQL stores out of line (TOAST) included.

use super::{Column, Table};

/// Width that statistics give a value that is stored out of line: its pointer, of 18 bytes, and a short value now and then.
const POINTER: std::ops::RangeInclusive<f64> = 17.0..=20.0;

/// Bytes of a value in one chunk of a TOAST table (`TOAST_MAX_CHUNK_SIZE` with pages of 8 KiB).
const CHUNK: f64 = 1996.0;
/// Pages that finding the first chunk of a value takes: root and leaf of the TOAST table's index, and the chunk's page.
const PAGES_OF_A_VALUE: f64 = 3.0;
/// Chunks of a page.
const CHUNKS_OF_A_PAGE: f64 = 4.0;

impl Table {
    /// Returns the bytes that a row takes for a column in the mean, NULLs included: those out of line where the column is stored so, else
    /// the width in the statistics. None without statistics.
    ///
    /// Several columns that are stored out of line share the table's bytes evenly, since the server does not count them apart.
    #[must_use]
    pub fn value_bytes(&self, column: &Column) -> Option<f64> {
        let inline = column.statistics.as_ref().map(|known| known.width * (1.0 - known.null_fraction));
        self.out_of_line(column).or(inline)
    }

    /// Returns the bytes that a row has out of line for a column in the mean, NULLs included; none for a column that is stored in the row.
    ///
    /// `ANALYZE` counts only the pointer of such a value, and leaves a column without an order when all of its values are
    /// longer than 1 KiB (`WIDTH_THRESHOLD` in `analyze.c`). Both together tell the column.
    #[must_use]
    pub fn out_of_line(&self, column: &Column) -> Option<f64> {
        let bytes = self.out_of_line_bytes.filter(|bytes| *bytes > 0.0)?;
        let rows = self.rows.filter(|rows| *rows > 0.0)?;
        let filled = |column: &Column| {
            let known = column.statistics.as_ref()?;
            // Other types have no order, whatever their length.
            let has_order =
                ["text", "bytea", "jsonb", "character varying"].iter().any(|name| column.type_name.starts_with(name));
            let is_pointer =
                has_order && POINTER.contains(&known.width) && known.correlation.is_none() && known.null_fraction < 1.0;
            is_pointer.then_some(1.0 - known.null_fraction)
        };
        let own = filled(column)?;
        let all: f64 = self.columns.iter().filter_map(filled).sum();
        Some(bytes / rows * own / all)
    }

    /// Returns the pages that reading a column's values out of line takes for each row in the mean; 0 for a column that is
    /// stored in the row.
    #[must_use]
    pub fn out_of_line_pages(&self, column: &Column) -> f64 {
        let Some(bytes) = self.out_of_line(column) else { return 0.0 };
        let filled = column.statistics.as_ref().map_or(1.0, |known| 1.0 - known.null_fraction);
        let chunks = (bytes / filled / CHUNK).max(1.0);
        filled * (PAGES_OF_A_VALUE + (chunks - 1.0) / CHUNKS_OF_A_PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ColumnStatistics;
    use super::*;

    fn column(name: &str, width: f64, correlation: Option<f64>, null_fraction: f64) -> Column {
        let statistics = ColumnStatistics { width, correlation, null_fraction, ..ColumnStatistics::default() };
        Column {
            name: name.to_owned(),
            type_name: "bytea".to_owned(),
            statistics: Some(statistics),
            ..Column::default()
        }
    }

    #[test]
    fn only_pointers_share_the_bytes_out_of_line() {
        let columns = vec![
            column("name", 18.0, Some(0.2), 0.0),
            column("picture", 18.0, None, 0.0),
            column("scan", 18.0, None, 0.5),
            column("note", 300.0, Some(0.1), 0.0),
        ];
        let table = Table { columns, rows: Some(1_000.0), out_of_line_bytes: Some(6_000_000.0), ..Table::default() };
        let bytes: Vec<Option<f64>> = table.columns.iter().map(|column| table.out_of_line(column)).collect();
        assert_eq!(bytes, [None, Some(4_000.0), Some(2_000.0), None]);
        let whole: Vec<Option<f64>> = table.columns.iter().map(|column| table.value_bytes(column)).collect();
        assert_eq!(whole, [Some(18.0), Some(4_000.0), Some(2_000.0), Some(300.0)]);
        // A value of 4,000 bytes has two chunks and a few bytes, mostly in one page; half of the scans are NULL.
        let pages: Vec<f64> = table.columns.iter().map(|column| table.out_of_line_pages(column)).collect();
        assert_eq!((pages[0], pages[3]), (0.0, 0.0));
        assert!((3.2..3.3).contains(&pages[1]) && (pages[2] - pages[1] / 2.0).abs() < 1e-9, "{pages:?}");
    }

    #[test]
    fn a_short_value_of_a_type_without_an_order_is_in_the_row() {
        let columns = vec![
            column("picture", 18.0, None, 0.0),
            Column { type_name: "json".to_owned(), ..column("theme", 18.0, None, 0.0) },
        ];
        let table = Table { columns, rows: Some(1_000.0), out_of_line_bytes: Some(6_000_000.0), ..Table::default() };
        let bytes: Vec<Option<f64>> = table.columns.iter().map(|column| table.value_bytes(column)).collect();
        assert_eq!(bytes, [Some(6_000.0), Some(18.0)]);
    }

    #[test]
    fn an_unknown_size_leaves_the_width() {
        let columns = vec![column("picture", 18.0, None, 0.0), Column::default()];
        let table = Table { columns, rows: Some(1_000.0), ..Table::default() };
        let whole: Vec<Option<f64>> = table.columns.iter().map(|column| table.value_bytes(column)).collect();
        assert_eq!(whole, [Some(18.0), None]);
    }
}
