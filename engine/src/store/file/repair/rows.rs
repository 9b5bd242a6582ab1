//! Copies the rows of a table from the damaged file into the new one, and lists what is lost.

use std::collections::HashMap;

use almanac_models::Timestamp;
use arrow::array::RecordBatch;
use duckdb::Connection;

use super::source::{LostRows, Source};
use crate::{
    series::SeriesId,
    store::{Damage, StoreError, error::failed_to, index::Registry},
};

/// The new file.
pub(super) struct Target<'a> {
    pub(super) connection: &'a Connection,
    /// Called with the number of rows that were read since the last call.
    pub(super) count: &'a mut dyn FnMut(u64),
}

impl Target<'_> {
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(failed_to("write the new store"))
    }

    /// Returns the columns of a table, as in SQL.
    pub(super) fn columns(&self, table: &str) -> Result<String, StoreError> {
        let failed = failed_to("read the columns of a table");
        let mut statement = self
            .connection
            .prepare(
                "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'store' AND table_name = ?
                 ORDER BY column_index",
            )
            .map_err(&failed)?;
        let names: Vec<String> =
            statement.query_map([table], |row| row.get(0)).and_then(Iterator::collect).map_err(&failed)?;
        Ok(names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))
    }

    /// Copies what can be read of `from` into the empty table `into` in one transaction; `kept` returns the rows to write of those that were read.
    /// Returns the rows that cannot be read.
    pub(super) fn copy(
        &mut self,
        source: &mut Source,
        from: (&str, i64),
        into: &str,
        columns: &str,
        kept: &mut dyn FnMut(RecordBatch) -> Result<Option<RecordBatch>, StoreError>,
    ) -> Result<Vec<LostRows>, StoreError> {
        self.run("BEGIN TRANSACTION")?;
        let failed = failed_to("write the new store");
        let mut appender = self.connection.appender_to_db(into, "store").map_err(&failed)?;
        let count = &mut self.count;
        let lost = source.read(from.0, columns, from.1, &mut |batch| {
            count(batch.num_rows() as u64);
            match kept(batch)? {
                Some(rows) => appender.append_record_batch(rows).map_err(failed_to("write the new store")),
                None => Ok(()),
            }
        })?;
        appender.flush().map_err(&failed)?;
        drop(appender);
        self.run("COMMIT")?;
        Ok(lost)
    }
}

/// Lost samples by series, and those of unknown series by table.
#[derive(Debug, Default)]
pub(super) struct LostSamples {
    of_series: HashMap<u32, (i64, i64, u64, String)>,
    unknown: Vec<Damage>,
}

impl LostSamples {
    /// Adds samples of a series between two timestamps.
    pub(super) fn add(&mut self, series: u32, (begin, end): (i64, i64), count: u64, reason: &str) {
        let entry = self.of_series.entry(series).or_insert_with(|| (begin, end, 0, reason.to_owned()));
        *entry = (entry.0.min(begin), entry.1.max(end), entry.2 + count, std::mem::take(&mut entry.3));
    }

    /// Adds rows of a table whose series cannot be read.
    pub(super) fn add_unknown(&mut self, table: &str, rows: u64, unit: &str, reason: &str) {
        let what = format!("{rows} {unit} of table {table}");
        self.unknown.push(Damage { what, samples: None, reason: reason.to_owned() });
    }

    /// Returns the list, by the number of the series.
    pub(super) fn into_damages(self, registry: &Registry) -> Vec<Damage> {
        let mut all: Vec<_> = self.of_series.into_iter().collect();
        all.sort_by_key(|(series, _)| *series);
        let named = all.into_iter().map(|(series, (begin, end, count, reason))| Damage {
            what: registry
                .labels(SeriesId::new(series))
                .map_or_else(|| format!("series {series}"), |labels| labels.to_string()),
            samples: Some((Timestamp::from_millis(begin), Timestamp::from_millis(end), count)),
            reason,
        });
        named.chain(self.unknown).collect()
    }
}

/// Returns the number of rows in ranges that are not deleted, and why the first is lost.
pub(super) fn total(source: &Source, table: &str, lost: &[LostRows]) -> Option<(u64, String)> {
    let rows = lost.iter().map(|lost| source.count(table, &lost.rows)).sum();
    lost.first().filter(|_| rows > 0).map(|first| (rows, first.reason.clone()))
}
