//! Reads what a service stored of the example application and its database. Called by `almanac demo` and by tests.

use std::collections::BTreeMap;

use almanac_engine::{
    series::SeriesSamples,
    store::rows::{
        DatabaseCatalogueRow, DatabaseHourRow, DatabaseIndexUseRow, DatabaseStatementRow, DatabaseStatementUseRow,
        DatabaseTableUseRow, DatabaseUse, RequestOrigin, RequestStatementRow,
    },
};
use almanac_models::Timestamp;
use duckdb::Row;
use serde::Deserialize;
use serde_json::Value;

use super::{
    FileFacts, RecordingError,
    parquet::{Embedded, each_row, newest, read_series},
};

const HOUR_MS: i64 = 3_600_000;
const MANIFEST: &str = include_str!("../../recorded/application/manifest.json");

/// Defines an embedded file of the application's recording.
macro_rules! embedded {
    ($name:literal) => {
        (concat!("application/", $name), include_bytes!(concat!("../../recorded/application/", $name)))
    };
}

const SAMPLES: Embedded = embedded!("samples.parquet");
const STATEMENTS: Embedded = embedded!("database_statements.parquet");
const STATEMENT_USE: Embedded = embedded!("database_statement_use.parquet");
const TABLE_USE: Embedded = embedded!("database_table_use.parquet");
const INDEX_USE: Embedded = embedded!("database_index_use.parquet");
const HOURS: Embedded = embedded!("database_hours.parquet");
const CATALOGUES: Embedded = embedded!("database_catalogues.parquet");
const REQUESTS: Embedded = embedded!("request_statements.parquet");

/// Description of the application's recording: load, faults, versions and files.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ApplicationManifest {
    /// Time of the recording, RFC 3339.
    pub recorded_at: String,
    /// Length of the load, seconds. It is one day of the load.
    pub seconds: f64,
    /// Names of the faults that were on; `datasets/app/faults.py` explains each.
    pub faults: Vec<String>,
    /// Seed of rows and load.
    pub seed: u64,
    /// Rows by table at the beginning.
    pub rows: BTreeMap<String, u64>,
    /// Requests per second at the daily peak.
    pub peak_requests_per_second: f64,
    /// Requests of the load.
    pub requests: u64,
    /// Connection pools by name.
    pub pools: BTreeMap<String, RecordedPool>,
    /// Versions of the servers.
    pub servers: BTreeMap<String, String>,
    /// Remarks on the data.
    pub notes: Vec<String>,
    /// Files of the recording by name.
    pub files: BTreeMap<String, FileFacts>,
}

/// Connections of a recorded pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RecordedPool {
    /// Connections that it keeps.
    pub size: u32,
    /// Connections that it may open beyond them.
    pub overflow: u32,
}

/// What a service stored of the example application: series of pools, batches and the database's server, and rows of its
/// database.
#[derive(Debug, Clone)]
pub struct ApplicationRecording {
    /// Description of the recording.
    pub manifest: ApplicationManifest,
    /// Samples; their job is `app`.
    pub series: Vec<SeriesSamples>,
    /// Statements, tables, indexes and hours.
    pub database: DatabaseUse,
    /// The newest catalogue of the database.
    pub catalogue: DatabaseCatalogueRow,
    /// Statements of requests, from spans.
    pub requests: Vec<RequestStatementRow>,
}

impl ApplicationRecording {
    /// Reads the embedded recording.
    ///
    /// # Errors
    /// [`RecordingError`] when no temporary file can be written.
    ///
    /// ```
    /// let application = almanac_datasets::recorded::ApplicationRecording::load().unwrap();
    /// assert_eq!(application.catalogue.database, "app");
    /// ```
    pub fn load() -> Result<Self, RecordingError> {
        let database = DatabaseUse {
            statements: statements()?,
            statement_use: statement_use()?,
            table_use: table_use()?,
            index_use: index_use()?,
            hours: hours()?,
        };
        Ok(Self {
            manifest: serde_json::from_str(MANIFEST)?,
            series: read_series(SAMPLES)?,
            database,
            catalogue: catalogue()?,
            requests: requests()?,
        })
    }

    /// Returns the timestamp of the newest sample.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        Timestamp::from_millis(newest(&self.series).unwrap_or(self.catalogue.read_at.millis()))
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.series.iter().map(|series| series.values.len()).sum()
    }

    /// Shifts all times by the same time, so that the newest sample is at `end`. Starts of hours are rounded down to whole
    /// hours, so that no hour begins after `end`.
    #[must_use]
    pub fn ending_at(mut self, end: Timestamp) -> Self {
        let by = end.millis() - self.end().millis();
        let moved = |at: Timestamp| at.plus_millis(by);
        let hour = |at: Timestamp| Timestamp::from_millis((at.millis() + by).div_euclid(HOUR_MS) * HOUR_MS);
        self.series.iter_mut().flat_map(|series| &mut series.timestamps).for_each(|at| *at += by);
        for row in &mut self.database.statements {
            row.first_seen = moved(row.first_seen);
            row.last_seen = moved(row.last_seen);
        }
        self.database.statement_use.iter_mut().for_each(|row| row.hour = hour(row.hour));
        self.database.table_use.iter_mut().for_each(|row| row.hour = hour(row.hour));
        self.database.index_use.iter_mut().for_each(|row| row.hour = hour(row.hour));
        self.database.hours.iter_mut().for_each(|row| row.hour = hour(row.hour));
        self.requests.iter_mut().for_each(|row| row.hour = hour(row.hour));
        self.catalogue.read_at = moved(self.catalogue.read_at);
        self
    }
}

/// Reads the rows of a file; `select` names the columns in the order in which `read` takes them.
fn rows<T>(
    file: Embedded,
    select: &str,
    mut read: impl FnMut(&Row<'_>) -> duckdb::Result<T>,
) -> Result<Vec<T>, RecordingError> {
    let mut found = Vec::new();
    each_row(file, &format!("SELECT {select} FROM rows"), |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

fn time(row: &Row<'_>, column: usize) -> duckdb::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads JSON of a text column.
fn json(row: &Row<'_>, column: usize) -> duckdb::Result<Value> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| duckdb::Error::FromSqlConversionFailure(column, duckdb::types::Type::Text, Box::new(error)))
}

fn statements() -> Result<Vec<DatabaseStatementRow>, RecordingError> {
    let select = "database, family, statement, epoch_ms(first_seen), epoch_ms(last_seen), parameters, plans";
    rows(STATEMENTS, select, |row| {
        Ok(DatabaseStatementRow {
            database: row.get(0)?,
            family: row.get(1)?,
            statement: row.get(2)?,
            first_seen: time(row, 3)?,
            last_seen: time(row, 4)?,
            parameters: json(row, 5)?,
            plans: json(row, 6)?,
        })
    })
}

fn statement_use() -> Result<Vec<DatabaseStatementUseRow>, RecordingError> {
    let select = "epoch_ms(timestamp), database, family, calls, total_ms, squares, longest_ms, planning_ms, rows, blocks_hit, \
         blocks_read, blocks_temporary, wal_bytes";
    rows(STATEMENT_USE, select, |row| {
        Ok(DatabaseStatementUseRow {
            hour: time(row, 0)?,
            database: row.get(1)?,
            family: row.get(2)?,
            calls: row.get(3)?,
            total_ms: row.get(4)?,
            squares: row.get(5)?,
            longest_ms: row.get(6)?,
            planning_ms: row.get(7)?,
            rows: row.get(8)?,
            blocks_hit: row.get(9)?,
            blocks_read: row.get(10)?,
            blocks_temporary: row.get(11)?,
            wal_bytes: row.get(12)?,
        })
    })
}

fn table_use() -> Result<Vec<DatabaseTableUseRow>, RecordingError> {
    let select = "epoch_ms(timestamp), database, relation, sequential_scans, sequential_rows, index_scans, index_rows, inserted, \
         updated, updated_hot, deleted, live, dead";
    rows(TABLE_USE, select, |row| {
        Ok(DatabaseTableUseRow {
            hour: time(row, 0)?,
            database: row.get(1)?,
            relation: row.get(2)?,
            sequential_scans: row.get(3)?,
            sequential_rows: row.get(4)?,
            index_scans: row.get(5)?,
            index_rows: row.get(6)?,
            inserted: row.get(7)?,
            updated: row.get(8)?,
            updated_hot: row.get(9)?,
            deleted: row.get(10)?,
            live: row.get(11)?,
            dead: row.get(12)?,
        })
    })
}

fn index_use() -> Result<Vec<DatabaseIndexUseRow>, RecordingError> {
    let select = "epoch_ms(timestamp), database, relation, index_name, scans, rows_read, rows_fetched";
    rows(INDEX_USE, select, |row| {
        Ok(DatabaseIndexUseRow {
            hour: time(row, 0)?,
            database: row.get(1)?,
            relation: row.get(2)?,
            index_name: row.get(3)?,
            scans: row.get(4)?,
            rows_read: row.get(5)?,
            rows_fetched: row.get(6)?,
        })
    })
}

fn hours() -> Result<Vec<DatabaseHourRow>, RecordingError> {
    rows(HOURS, "epoch_ms(timestamp), database, seconds, snapshots, interruptions", |row| {
        Ok(DatabaseHourRow {
            hour: time(row, 0)?,
            database: row.get(1)?,
            seconds: row.get(2)?,
            snapshots: row.get(3)?,
            interruptions: row.get(4)?,
        })
    })
}

fn catalogue() -> Result<DatabaseCatalogueRow, RecordingError> {
    let mut found = rows(CATALOGUES, "database, epoch_ms(read_at), catalogue", |row| {
        Ok(DatabaseCatalogueRow { database: row.get(0)?, read_at: time(row, 1)?, catalogue: json(row, 2)? })
    })?;
    found.pop().ok_or(RecordingError::Empty { file: CATALOGUES.0 })
}

fn requests() -> Result<Vec<RequestStatementRow>, RecordingError> {
    let mut unknown = None;
    let select = "epoch_ms(timestamp), service, origin, route, database, family, statement, requests, looping, calls, seconds, evidence";
    let found = rows(REQUESTS, select, |row| {
        let origin: String = row.get(2)?;
        Ok(RequestStatementRow {
            hour: time(row, 0)?,
            service: row.get(1)?,
            origin: origin.parse().unwrap_or_else(|_| {
                unknown = Some(origin);
                RequestOrigin::Job
            }),
            route: row.get(3)?,
            database: row.get(4)?,
            family: row.get(5)?,
            statement: row.get(6)?,
            requests: row.get(7)?,
            looping: row.get(8)?,
            calls: row.get(9)?,
            seconds: row.get(10)?,
            evidence: json(row, 11)?,
        })
    })?;
    match unknown {
        Some(text) => Err(RecordingError::Text { text, what: "origin of requests" }),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_is_whole_and_small() {
        let recording = ApplicationRecording::load().unwrap();
        let facts = &recording.manifest.files;
        let counts = [
            ("samples.parquet", recording.n_samples()),
            ("database_statements.parquet", recording.database.statements.len()),
            ("database_statement_use.parquet", recording.database.statement_use.len()),
            ("database_table_use.parquet", recording.database.table_use.len()),
            ("database_index_use.parquet", recording.database.index_use.len()),
            ("database_hours.parquet", recording.database.hours.len()),
            ("database_catalogues.parquet", 1),
            ("request_statements.parquet", recording.requests.len()),
        ];
        for (name, count) in counts {
            assert_eq!(facts[name].rows, count as u64, "{name}");
        }
        assert_eq!(facts.len(), counts.len());
        let bytes: u64 = facts.values().map(|file| file.bytes).sum();
        assert!(bytes <= 1_000_000, "{bytes} bytes");
        for series in &recording.series {
            assert!(series.timestamps.is_sorted_by(|a, b| a < b), "{}", series.labels);
            assert!(series.labels.get("job").is_none_or(|job| job == "app"), "{}", series.labels);
        }
        let observed: f64 = recording.database.hours.iter().map(|hour| hour.seconds).sum();
        assert!(observed >= recording.manifest.seconds, "{observed} s observed");
        assert!(recording.database.hours.iter().all(|hour| hour.interruptions == 0));
    }

    #[test]
    fn nothing_of_the_recording_machine_is_left() {
        let recording = ApplicationRecording::load().unwrap();
        let settings = recording.catalogue.catalogue["settings"].as_object().unwrap();
        assert!(
            settings.len() > 10 && settings.values().all(|value| !value.as_str().unwrap().contains('/')),
            "{settings:?}"
        );
        for series in &recording.series {
            assert!(!series.labels.to_string().contains("127.0.0.1"), "{}", series.labels);
        }
        // Values of rows stay in the database.
        assert!(recording.database.statements.iter().all(|row| row.parameters.as_array().is_none_or(Vec::is_empty)));
        let text = recording.catalogue.catalogue.to_string();
        assert!(!text.contains("Example.org"), "an address of a user is in the catalogue");
    }

    #[test]
    fn moving_the_end_moves_everything() {
        let recording = ApplicationRecording::load().unwrap();
        // Five minutes after a whole hour: the hour of the recording then began in the hour before.
        let end = Timestamp::from_millis(1_000_000 * HOUR_MS + 300_000);
        let by = end.millis() - recording.end().millis();
        let moved = recording.clone().ending_at(end);
        assert_eq!(moved.end(), end);
        let of = |recording: &ApplicationRecording| {
            let database = &recording.database;
            [database.statements[0].first_seen, database.statements[0].last_seen, recording.catalogue.read_at]
                .map(Timestamp::millis)
        };
        assert_eq!(of(&moved), of(&recording).map(|at| at + by));
        let hours = |recording: &ApplicationRecording| -> Vec<Timestamp> {
            let database = &recording.database;
            let all = database.hours.iter().map(|row| row.hour);
            let all = all.chain(database.statement_use.iter().map(|row| row.hour));
            let all = all.chain(database.table_use.iter().map(|row| row.hour));
            let all = all.chain(database.index_use.iter().map(|row| row.hour));
            all.chain(recording.requests.iter().map(|row| row.hour)).collect()
        };
        for (before, after) in hours(&recording).into_iter().zip(hours(&moved)) {
            let late = before.millis() + by - after.millis();
            assert!(after.millis() % HOUR_MS == 0 && (0..HOUR_MS).contains(&late) && after <= end, "{late} ms");
        }
    }
}
