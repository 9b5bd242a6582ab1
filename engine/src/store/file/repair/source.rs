//! Opens the copy of a damaged file, and reads its tables piece by piece, so that a damaged block costs only the rows that have a part in it.
//!
//! DuckDB reads a table in vectors of 2,048 rows, all blocks of a column that a vector is in. A deletion that returns the rows fetches each row by
//! itself; within a transaction that is rolled back it reads the rows beside a damaged block.

use std::{fs, ops::Range, path::PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use duckdb::Connection;

use super::blocks::CopiedBlocks;
use crate::store::{
    StoreError, StoreOptions,
    error::{failed_to, one_line},
    file::log_path,
    read::for_each_batch,
    schema,
};

/// Rows that DuckDB reads at once.
const VECTOR: i64 = 2_048;
/// Vectors that are read by one statement.
const VECTORS: i64 = 8;
/// Failed attempts to find the sound rows of a table beside damage that DuckDB does not list; after them the other rows of a vector are given up.
const ATTEMPTS: u32 = 2_000;

/// The copy of a damaged file, open.
pub(super) struct Source {
    connection: Connection,
    blocks: CopiedBlocks,
    copy: PathBuf,
    /// The file as the user calls it.
    path: PathBuf,
    options: StoreOptions,
}

/// Rows of a table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LostRows {
    pub(super) rows: Range<i64>,
    pub(super) reason: String,
}

impl Source {
    /// Opens the copy. Returns also whether the log could be applied: as a whole, up to its damaged part, or not at all.
    ///
    /// `prefix`: bytes of the log before its damaged part.
    ///
    /// # Errors
    /// `Damaged`: DuckDB cannot read the list of tables.
    pub(super) fn open(
        copy: PathBuf,
        path: PathBuf,
        blocks: CopiedBlocks,
        options: &StoreOptions,
        prefix: u64,
    ) -> Result<(Self, LogUse), StoreError> {
        let log = log_path(&copy);
        let open = || schema::connect_unchecked(&path, &copy, options);
        let failed = |error: std::io::Error| super::super::backup::failure(&log, &error);
        let length = log.metadata().map_or(0, |log| log.len());
        let mut used = LogUse::Whole;
        let mut opened = open();
        if opened.is_err() && prefix < length {
            used = LogUse::Prefix;
            fs::OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(prefix)).map_err(failed)?;
            opened = open();
        }
        if opened.is_err() && length > 0 {
            used = LogUse::Nothing;
            fs::remove_file(&log).map_err(failed)?;
            opened = open();
        }
        let connection = opened?;
        let options = options.clone();
        Ok((Self { connection, blocks, copy, path, options }, used))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the names of the tables with their numbers of rows, deleted ones among them.
    pub(super) fn tables(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let failed = failed_to("list the tables");
        let mut statement = self
            .connection
            .prepare("SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'store' ORDER BY 1")
            .map_err(&failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// Calls `each` with the rows of a table that can be read, in their order, and returns those that cannot.
    ///
    /// `columns`: as in SQL; `rows`: number of rows; `each` also gets the number of rows that were passed since the last call.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn read(
        &mut self,
        table: &str,
        columns: &str,
        rows: i64,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), StoreError>,
    ) -> Result<Vec<LostRows>, StoreError> {
        let (groups, damaged) = self.groups(table, rows);
        let mut reading = Reading { source: self, table, columns, attempts: ATTEMPTS, lost: Vec::new() };
        for group in groups {
            let mut at = group.start;
            while at < group.end {
                // A piece ends before the first vector that is known to be damaged.
                let mut end = at;
                while end < group.end && end - at < VECTOR * VECTORS {
                    let next = (end + VECTOR).min(group.end);
                    if overlaps(&damaged, &(end..next)) {
                        break;
                    }
                    end = next;
                }
                if end > at {
                    reading.piece(at..end, each)?;
                } else {
                    end = (at + VECTOR).min(group.end);
                    reading.vector_beside(&(at..end), &damaged, each)?;
                }
                at = end;
            }
        }
        Ok(reading.lost)
    }

    /// Returns the number of rows in a range that are not deleted; 0 if that cannot be read.
    pub(super) fn count(&self, table: &str, rows: &Range<i64>) -> u64 {
        let sql = format!("SELECT count(*) FROM store.\"{table}\" WHERE {}", within(rows));
        let counted = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        counted.map_or_else(|_| (rows.end - rows.start).unsigned_abs(), i64::unsigned_abs)
    }

    /// Calls `each` with some columns of rows that cannot be read as a whole; returns the number of rows that were passed.
    pub(super) fn read_within(
        &mut self,
        table: &str,
        columns: &str,
        rows: &Range<i64>,
        each: &mut dyn FnMut(&RecordBatch),
    ) -> u64 {
        let (mut at, mut passed) = (rows.start, 0);
        while at < rows.end {
            let end = (at + VECTOR).min(rows.end);
            let sql = format!("SELECT {columns} FROM store.\"{table}\" WHERE {}", within(&(at..end)));
            // Without these columns the rows are counted only.
            for batch in self.query(&sql, false).unwrap_or_default() {
                passed += batch.num_rows() as u64;
                each(&batch);
            }
            at = end;
        }
        passed
    }

    /// Returns the groups of rows of a table, and the rows in damaged blocks as far as DuckDB lists them.
    ///
    /// Rows are numbered through all groups; vectors begin anew in each.
    fn groups(&self, table: &str, rows: i64) -> (Vec<Range<i64>>, Vec<Range<i64>>) {
        let sql = format!(
            "SELECT row_group_id, start, count, block_id, coalesce(array_to_string(additional_block_ids, ','), ''),
                 column_path = '[0]', regexp_full_match(column_path, '\\[[0-9]+(, 0)?\\]')
                     AND (segment_type = 'VALIDITY' OR NOT contains(column_path, ','))
             FROM pragma_storage_info('store.{table}') ORDER BY row_group_id"
        );
        let mut counts: Vec<i64> = Vec::new();
        let mut damaged_within: Vec<(usize, Range<i64>)> = Vec::new();
        let read = for_each_batch(&self.connection, &sql, |batch| {
            let number = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
            let others = batch.column(4).as_string::<i32>();
            let (is_first, is_flat) = (batch.column(5).as_boolean(), batch.column(6).as_boolean());
            for row in 0..batch.num_rows() {
                let group = usize::try_from(number(0, row)).unwrap_or(0);
                let (start, count) = (number(1, row), number(2, row));
                if counts.len() <= group {
                    counts.resize(group + 1, 0);
                }
                if is_first.value(row) {
                    counts[group] += count;
                }
                let block = (!batch.column(3).is_null(row)).then(|| number(3, row)).filter(|block| *block >= 0);
                let more = others.value(row).split(',').filter_map(|block| block.parse().ok());
                let is_damaged = block.into_iter().chain(more).any(|block| self.blocks.is_damaged(block));
                if is_damaged && is_flat.value(row) {
                    damaged_within.push((group, start..start + count));
                }
            }
            Ok(())
        });
        if read.is_err() || counts.iter().sum::<i64>() != rows {
            return (std::iter::once(0..rows).collect(), Vec::new());
        }
        let mut begin = 0;
        let groups: Vec<Range<i64>> = counts
            .into_iter()
            .map(|count| {
                begin += count;
                begin - count..begin
            })
            .collect();
        let mut damaged: Vec<Range<i64>> = damaged_within
            .into_iter()
            .map(|(group, rows)| groups[group].start + rows.start..groups[group].start + rows.end)
            .collect();
        damaged.sort_by_key(|rows| rows.start);
        (groups, joined(damaged))
    }

    /// Runs a statement that returns rows.
    fn query(&mut self, sql: &str, undo: bool) -> Result<Vec<RecordBatch>, String> {
        let mut rows = Vec::new();
        let mut all = || {
            if undo {
                self.connection.execute_batch("BEGIN TRANSACTION").map_err(failed_to("read"))?;
            }
            for_each_batch(&self.connection, sql, |batch| {
                rows.push(batch.clone());
                Ok(())
            })
        };
        let read = all();
        if undo {
            // A statement that failed has ended the transaction.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        match read {
            Ok(()) => Ok(rows),
            Err(error) => {
                if matches!(error, StoreError::Stopped { .. }) {
                    self.reopen().map_err(|error| reason(&error))?;
                }
                Err(reason(&error))
            }
        }
    }

    /// Opens the copy again, after an error that DuckDB does not go on from.
    fn reopen(&mut self) -> Result<(), StoreError> {
        // The file can be opened once the last connection is closed.
        let idle = Connection::open_in_memory().map_err(failed_to("open a database"))?;
        drop(std::mem::replace(&mut self.connection, idle));
        self.connection = schema::connect_unchecked(&self.path, &self.copy, &self.options)?;
        Ok(())
    }
}

/// How much of the log was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogUse {
    /// What was copied.
    Whole,
    /// What is before its first damaged entry.
    Prefix,
    /// Nothing.
    Nothing,
}

/// A table that is read.
struct Reading<'a> {
    source: &'a mut Source,
    table: &'a str,
    columns: &'a str,
    attempts: u32,
    lost: Vec<LostRows>,
}

type Each<'a> = dyn FnMut(RecordBatch) -> Result<(), StoreError> + 'a;

impl Reading<'_> {
    /// Reads whole vectors.
    fn piece(&mut self, rows: Range<i64>, each: &mut Each<'_>) -> Result<(), StoreError> {
        let sql = format!("SELECT {} FROM store.\"{}\" WHERE {}", self.columns, self.table, within(&rows));
        match self.source.query(&sql, false) {
            Ok(read) => read.into_iter().try_for_each(each),
            Err(_) if rows.end - rows.start > VECTOR => {
                let mut at = rows.start;
                while at < rows.end {
                    let end = (at + VECTOR).min(rows.end);
                    self.piece(at..end, each)?;
                    at = end;
                }
                Ok(())
            }
            Err(_) => self.rows(rows, each),
        }
    }

    /// Reads the rows of a vector besides those in damaged blocks.
    fn vector_beside(
        &mut self,
        vector: &Range<i64>,
        damaged: &[Range<i64>],
        each: &mut Each<'_>,
    ) -> Result<(), StoreError> {
        let mut at = vector.start;
        for bad in damaged.iter().filter(|bad| bad.start < vector.end && bad.end > vector.start) {
            let (from, until) = (bad.start.max(at), bad.end.min(vector.end));
            if from > at {
                self.rows(at..from, each)?;
            }
            if until > from {
                self.lose(from..until, "a block of the file is damaged");
                at = until;
            }
        }
        if at < vector.end { self.rows(at..vector.end, each) } else { Ok(()) }
    }

    /// Reads rows one by one, and divides them where that fails.
    fn rows(&mut self, rows: Range<i64>, each: &mut Each<'_>) -> Result<(), StoreError> {
        if self.attempts == 0 {
            self.lose(rows, "it is beside too much damage");
            return Ok(());
        }
        let sql = format!("DELETE FROM store.\"{}\" WHERE {} RETURNING {}", self.table, within(&rows), self.columns);
        match self.source.query(&sql, true) {
            Ok(read) => read.into_iter().try_for_each(each),
            Err(reason) => {
                self.attempts -= 1;
                if rows.end - rows.start == 1 || self.attempts == 0 {
                    self.lose(rows, &reason);
                    return Ok(());
                }
                let middle = rows.start + (rows.end - rows.start) / 2;
                self.rows(rows.start..middle, each)?;
                self.rows(middle..rows.end, each)
            }
        }
    }

    fn lose(&mut self, rows: Range<i64>, reason: &str) {
        match self.lost.last_mut() {
            Some(last) if last.rows.end == rows.start => last.rows.end = rows.end,
            _ => self.lost.push(LostRows { rows, reason: reason.to_owned() }),
        }
    }
}

fn within(rows: &Range<i64>) -> String {
    format!("rowid >= {} AND rowid < {}", rows.start, rows.end)
}

/// Joins sorted ranges that overlap or touch.
fn joined(sorted: Vec<Range<i64>>) -> Vec<Range<i64>> {
    let mut all: Vec<Range<i64>> = Vec::new();
    for rows in sorted {
        match all.last_mut() {
            Some(last) if last.end >= rows.start => last.end = last.end.max(rows.end),
            _ => all.push(rows),
        }
    }
    all
}

/// Returns whether one of the joined ranges overlaps a range.
fn overlaps(all: &[Range<i64>], rows: &Range<i64>) -> bool {
    all.get(all.partition_point(|bad| bad.end <= rows.start)).is_some_and(|bad| bad.start < rows.end)
}

/// Returns why a read failed, in one line.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::DamagedBlock { detail } | StoreError::Stopped { detail } => detail.clone(),
        StoreError::Database { source, .. } => one_line(source),
        other => other.to_string(),
    }
}
