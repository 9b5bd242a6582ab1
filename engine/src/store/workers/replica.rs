//! A worker's database: the last checkpoint of the file, and the rows since then, behind the views that analysts see.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::Path,
};

use arrow::ipc::reader::StreamReader;
use duckdb::{Config, Connection};

use super::message::{Held, HeldSegment, Need, SegmentInfo};
use crate::store::{
    SqlError, StoreError,
    error::{failed_to, one_line},
    file::checkpoints,
    rows::{TABLES, Table, descriptor::Source},
    schema::{SampleRelations, create_catalogue, create_static_views, lock_settings, sample_views, select_of},
    segment::{BLOCK_DEFINITION, fine_buckets, register_functions},
};

/// Settings of a worker's database.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicaOptions {
    /// DuckDB's memory limit in bytes.
    pub(super) memory: u64,
    /// Number of DuckDB's threads; 0 = one per core.
    pub(super) threads: usize,
}

/// Where the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the checkpoint only.
    Base,
    /// In the checkpoint, and newer ones in memory.
    BaseAndTail,
    /// In memory only.
    Tail,
}

/// What this worker has of a table.
#[derive(Debug, Clone, Copy)]
struct Known {
    place: Place,
    /// Number of rows and highest row number; `None` until they are needed.
    rows: Option<(u64, Option<i64>)>,
}

/// A worker's database.
#[derive(Debug)]
pub(super) struct Replica {
    connection: Connection,
    file: File,
    iteration: u64,
    tables: BTreeMap<String, Known>,
    /// The segments of the checkpoint, and then those of the last snapshot.
    segments: Vec<SegmentInfo>,
    /// The statements of the present views of samples.
    sample_views: String,
    /// Segments that the checkpoint lists as frozen, with their rows.
    frozen: BTreeMap<u64, u64>,
    has_catalogue: bool,
}

impl Replica {
    /// Opens the checkpoint by `link`, and drops the locks of this process on the file.
    pub(super) fn open(link: &Path, options: ReplicaOptions) -> Result<Self, StoreError> {
        let failed_file = |error: io::Error| StoreError::Open { path: link.to_owned(), detail: error.to_string() };
        let file = File::open(link).map_err(failed_file)?;
        let unreadable = || failed_file(io::ErrorKind::UnexpectedEof.into());
        let iteration = checkpoints(&file).ok_or_else(unreadable)?;
        let connection = attach(link, options)?;
        // Closing any descriptor drops the process's locks on the file, so that the service can lock it again.
        drop(File::open(link).map_err(failed_file)?);
        let segments = SegmentInfo::list(&connection, "base.store")?;
        let frozen =
            segments.iter().filter(|segment| segment.frozen).map(|segment| (segment.id, segment.rows)).collect();
        let mut replica = Self {
            connection,
            file,
            iteration,
            tables: BTreeMap::new(),
            segments,
            sample_views: String::new(),
            frozen,
            has_catalogue: false,
        };
        replica.create_views()?;
        lock_settings(&replica.connection)?;
        Ok(replica)
    }

    /// Returns whether the checkpoint is still the last one, so that its blocks are intact.
    pub(super) fn is_current(&self) -> bool {
        checkpoints(&self.file) == Some(self.iteration)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Creates the catalogue of PostgreSQL if it is needed and does not exist yet.
    pub(super) fn prepare_catalogue(&mut self, is_needed: bool) -> Result<(), StoreError> {
        if is_needed && !self.has_catalogue {
            create_catalogue(&self.connection)?;
            self.has_catalogue = true;
        }
        Ok(())
    }

    /// Returns the number of cold segments.
    pub(super) fn cold(&self) -> u64 {
        self.segments.iter().filter(|segment| matches!(segment.kind.as_str(), "cold" | "rows")).count() as u64
    }

    /// Returns what this worker has of the tables behind the views.
    pub(super) fn need(&mut self, views: &BTreeSet<&'static str>) -> Result<Need, StoreError> {
        let mut need = Need::default();
        for table in TABLES.iter().filter(|table| views.contains(table.name)) {
            if matches!(table.source, Source::Segments | Source::FineBuckets) && need.segments.is_none() {
                need.segments = Some(self.held_segments()?);
            }
            for name in tables_behind(table) {
                if !need.tables.iter().any(|held| held.table == name) {
                    let (rows, last) = self.rows_of(&name)?;
                    need.tables.push(Held { table: name, rows, last });
                }
            }
        }
        Ok(need)
    }

    fn held_segments(&mut self) -> Result<Vec<HeldSegment>, StoreError> {
        let mut held = Vec::new();
        for segment in self.segments.clone() {
            let name = table_of(&segment)?;
            if !self.tables.contains_key(&name) {
                continue;
            }
            let in_base = self.tables.get(&name).is_some_and(|known| known.place == Place::Base);
            held.push(match self.frozen.get(&segment.id) {
                Some(&rows) if in_base => HeldSegment { id: segment.id, frozen: true, rows, last: None },
                _ => {
                    let (rows, last) = self.rows_of(&name)?;
                    HeldSegment { id: segment.id, frozen: false, rows, last }
                }
            });
        }
        Ok(held)
    }

    /// Returns number of rows and highest row number of a table.
    fn rows_of(&mut self, name: &str) -> Result<(u64, Option<i64>), StoreError> {
        let Some(known) = self.tables.get_mut(name) else { return Ok((0, None)) };
        if let Some(rows) = known.rows {
            return Ok(rows);
        }
        let sql = format!("SELECT count(*), max(rowid) FROM base.store.{name}");
        let rows = self
            .connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed_to("count the rows of the checkpoint"))?;
        known.rows = Some(rows);
        Ok(rows)
    }

    /// Adds rows from the service, an Arrow stream.
    pub(super) fn put(
        &mut self,
        name: &str,
        replaces: bool,
        last: Option<i64>,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let failed = failed_to("add rows to a worker");
        let (mut rows, _) = if replaces { (0, None) } else { self.rows_of(name)? };
        let place = self.tables.get(name).map(|known| known.place);
        let must_create = replaces || matches!(place, None | Some(Place::Base));
        if must_create {
            let columns = match place {
                Some(_) => format!("FROM base.store.{name} LIMIT 0"),
                None => segment_columns(name).to_owned(),
            };
            let create = if place.is_some() {
                format!("CREATE OR REPLACE TABLE tail.main.{name} AS {columns}")
            } else {
                format!("CREATE OR REPLACE TABLE tail.main.{name} ({columns})")
            };
            self.connection.execute_batch(&create).map_err(&failed)?;
        }
        if !payload.is_empty() {
            let unreadable =
                |error: arrow::error::ArrowError| StoreError::InvalidRow { table: "rows", detail: error.to_string() };
            let mut appender = self.connection.appender_to_catalog_and_db(name, "tail", "main").map_err(&failed)?;
            for batch in StreamReader::try_new(payload, None).map_err(unreadable)? {
                let batch = batch.map_err(unreadable)?;
                rows += batch.num_rows() as u64;
                appender.append_record_batch(batch).map_err(&failed)?;
            }
            appender.flush().map_err(&failed)?;
        }
        let is_tail = replaces || matches!(place, None | Some(Place::Tail));
        let place = if is_tail { Place::Tail } else { Place::BaseAndTail };
        self.tables.insert(name.to_owned(), Known { place, rows: Some((rows, last)) });
        if must_create && !is_segment(name) { self.create_table_view(name) } else { Ok(()) }
    }

    /// Makes the view of samples one of these segments; none leaves it as it is.
    pub(super) fn finish(&mut self, segments: Vec<SegmentInfo>) -> Result<(), StoreError> {
        if segments.is_empty() {
            return Ok(());
        }
        self.segments = segments;
        self.create_sample_views()
    }

    fn create_views(&mut self) -> Result<(), StoreError> {
        // A hidden database is not listed by DuckDB either.
        let described = TABLES.iter().flat_map(|table| tables_behind(table));
        let segments = self.segments.iter().map(table_of).collect::<Result<BTreeSet<_>, _>>()?;
        let names: BTreeSet<String> = described.chain(segments).collect();
        for name in names {
            self.tables.insert(name.clone(), Known { place: Place::Base, rows: None });
            if !is_segment(&name) {
                self.create_table_view(&name)?;
            }
        }
        create_static_views(&self.connection)?;
        self.create_sample_views()
    }

    fn source_of(&self, name: &str) -> String {
        match self.tables.get(name).map(|known| known.place) {
            Some(Place::BaseAndTail) => format!("(FROM base.store.{name} UNION ALL FROM tail.main.{name})"),
            Some(Place::Tail) => format!("tail.main.{name}"),
            Some(Place::Base) | None => format!("base.store.{name}"),
        }
    }

    fn create_table_view(&self, name: &str) -> Result<(), StoreError> {
        self.connection
            .execute_batch(&format!("CREATE OR REPLACE VIEW store.{name} AS FROM {}", self.source_of(name)))
            .map_err(failed_to("create a view of a worker"))
    }

    /// Creates the views of samples unless they are the present ones. Segments without rows are left out, which saves the
    /// join with late rows in most stores.
    fn create_sample_views(&mut self) -> Result<(), StoreError> {
        let mut relations = SampleRelations::default();
        for info in &self.segments {
            let segment = info.segment()?;
            let name = segment.name();
            if !self.is_empty(&name) {
                relations.add(&segment, self.source_of(&name));
            }
        }
        let views = sample_views(&relations);
        if views != self.sample_views {
            self.connection.execute_batch(&views).map_err(failed_to("create the view of samples"))?;
            self.sample_views = views;
        }
        Ok(())
    }

    /// Returns whether a table is known to have no rows.
    fn is_empty(&self, name: &str) -> bool {
        self.tables.get(name).is_some_and(|known| known.rows.is_some_and(|(rows, _)| rows == 0))
    }
}

/// Opens a database in memory with the checkpoint as `base` and an empty `tail`; both are hidden from analysts.
fn attach(link: &Path, options: ReplicaOptions) -> Result<Connection, StoreError> {
    let failed = failed_to("open a worker's database");
    let config = || -> duckdb::Result<Config> {
        let config = Config::default()
            .enable_autoload_extension(false)?
            .with("allow_community_extensions", "false")?
            .with("memory_limit", format!("{}MiB", options.memory >> 20))?
            // A worker writes no file.
            .with("temp_directory", "")?;
        if options.threads > 0 {
            config.threads(i64::try_from(options.threads).unwrap_or(i64::MAX))
        } else {
            Ok(config)
        }
    };
    let connection = config().and_then(Connection::open_in_memory_with_flags).map_err(&failed)?;
    register_functions(&connection)?;
    let path = link.display().to_string().replace('\'', "''");
    connection
        .execute_batch(&format!(
            "ATTACH '{path}' AS base (READ_ONLY, HIDDEN true); ATTACH ':memory:' AS tail (HIDDEN true);
             ATTACH ':memory:' AS almanac; USE almanac; CREATE SCHEMA store"
        ))
        .map_err(|error| crate::store::error::cannot_open(link, &error))?;
    Ok(connection)
}

fn table_of(info: &SegmentInfo) -> Result<String, StoreError> {
    info.segment().map(|segment| segment.name())
}

fn is_segment(name: &str) -> bool {
    ["hot_", "late_", "cold_", "rows_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the columns of a segment that is not in the checkpoint. No other table is created after the store opens.
fn segment_columns(name: &str) -> &'static str {
    if name.starts_with("late_") {
        "series_id UINTEGER, timestamp TIMESTAMP_MS, value DOUBLE, seq BIGINT"
    } else if name.starts_with("cold_") {
        BLOCK_DEFINITION
    } else {
        "series_id UINTEGER, timestamp TIMESTAMP_MS, value DOUBLE"
    }
}

/// Returns the stored tables behind a view, besides segments.
fn tables_behind(table: &Table) -> Vec<String> {
    match table.source {
        Source::FineBuckets => tables_of(&fine_buckets(&[])),
        _ => tables_of(&select_of(table).unwrap_or_default()),
    }
}

/// Returns the stored tables that a view's `SELECT` names, as `store.name`.
fn tables_of(select: &str) -> Vec<String> {
    let names = select.split("store.").skip(1).map(|rest| {
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
    });
    let unique: BTreeSet<String> = names.filter(|name| !name.is_empty()).collect();
    unique.into_iter().collect()
}

/// Returns the error of a worker's database for the caller of a statement.
pub(super) fn as_sql_error(error: &StoreError) -> SqlError {
    match error {
        StoreError::DamagedBlock { detail } => SqlError::Damaged { detail: detail.clone() },
        StoreError::Database { action, source } => {
            let detail = format!("a worker failed to {action}: {}", one_line(source));
            if detail.contains("Out of Memory") { SqlError::Memory } else { SqlError::Unavailable { detail } }
        }
        other => SqlError::Unavailable { detail: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_every_view_are_found() {
        for table in TABLES.iter().filter(|table| table.source != Source::Segments) {
            assert!(!tables_behind(table).is_empty(), "{}", table.name);
        }
        let series = TABLES.iter().find(|table| table.name == "series").unwrap();
        assert_eq!(tables_of(&select_of(series).unwrap()), ["metadata", "series"]);
    }
}
