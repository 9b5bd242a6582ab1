//! Writes rows of a described table through a staging table, and reads them, as Arrow batches.

use std::{fmt::Write as _, sync::Arc};

use almanac_models::Timestamp;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListBuilder, PrimitiveBuilder, RecordBatch,
        StringBuilder, TimestampMillisecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type},
};
use duckdb::{Connection, types::Value};

use crate::store::{
    StoreError,
    error::failed_to,
    read::for_each_batch_with,
    rows::{
        Cell, Column, ColumnType, Table, TableRow,
        descriptor::{Cells, StoredRow},
    },
};

/// Rows to write, as columns: those of the row type, then hidden ones.
#[derive(Debug)]
pub(super) struct StagedRows {
    table: &'static Table,
    columns: Vec<(String, ArrayRef)>,
}

impl StagedRows {
    /// Collects the stored columns of rows.
    pub(super) fn new<R: TableRow>(rows: &[&R]) -> Self {
        let stored = R::TABLE.columns.iter().enumerate().filter(|(_, column)| column.is_stored());
        let columns = stored.map(|(idx, column)| (column.name.to_owned(), array(column, rows, idx))).collect();
        Self { table: R::TABLE, columns }
    }

    /// Adds a hidden column of signed integers, such as the arrival order.
    pub(super) fn ints(mut self, name: &str, values: impl Iterator<Item = i64>) -> Self {
        self.columns.push((name.to_owned(), Arc::new(Int64Array::from_iter_values(values))));
        self
    }

    /// Adds a hidden column of unsigned 32-bit integers.
    pub(super) fn smalls(mut self, name: &str, values: impl Iterator<Item = u32>) -> Self {
        self.columns.push((name.to_owned(), Arc::new(UInt32Array::from_iter_values(values))));
        self
    }

    /// Appends the rows to a temporary table and runs the statements of `sql`, in which `{stage}` is the table's name.
    /// Returns the total number of changed rows. Statements must insert `BY NAME`: the column order of a stored table
    /// depends on the release that created it.
    pub(super) fn run(self, connection: &Connection, sql: &[&str]) -> Result<u64, StoreError> {
        let failed = failed_to("write rows");
        let table = self.table.name;
        let stage = format!("stage_{table}");
        let names: Vec<String> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let rows = RecordBatch::try_from_iter(self.columns)
            .map_err(|error| StoreError::InvalidRow { table, detail: error.to_string() })?;
        connection
            .execute_batch(&format!(
                "CREATE OR REPLACE TEMP TABLE {stage} AS SELECT {} FROM store.{table} LIMIT 0",
                names.join(", ")
            ))
            .map_err(&failed)?;
        let mut appender = connection.appender_to_catalog_and_db(&stage, "temp", "main").map_err(&failed)?;
        appender.append_record_batch(rows).map_err(&failed)?;
        appender.flush().map_err(&failed)?;
        drop(appender);
        let mut changed = 0;
        for statement in sql {
            let statement = statement.replace("{stage}", &format!("temp.main.{stage}"));
            changed += connection.execute(&statement, []).map_err(&failed)? as u64;
        }
        connection.execute_batch(&format!("DROP TABLE temp.main.{stage}")).map_err(&failed)?;
        Ok(changed)
    }
}

/// Returns one column of all rows. A cell of another type than the column's becomes NULL, which a NOT NULL column
/// rejects.
fn array<R: TableRow>(column: &Column, rows: &[&R], idx: usize) -> ArrayRef {
    let cells = || rows.iter().map(|row| row.cell(idx));
    macro_rules! primitives {
        ($array:ident, $cell:ident) => {
            Arc::new(
                cells().map(|cell| if let Cell::$cell(value) = cell { Some(value) } else { None }).collect::<$array>(),
            )
        };
    }
    match column.column_type {
        ColumnType::Text | ColumnType::Json | ColumnType::Map | ColumnType::Buckets => {
            let mut texts = StringBuilder::new();
            for cell in cells() {
                match cell {
                    Cell::Text(text) => texts.append_value(text),
                    Cell::Json(value) => texts.append_value(value.to_string()),
                    _ => texts.append_null(),
                }
            }
            Arc::new(texts.finish())
        }
        ColumnType::Time => {
            let millis = |cell| if let Cell::Time(at) = cell { Some(Timestamp::millis(at)) } else { None };
            Arc::new(cells().map(millis).collect::<TimestampMillisecondArray>())
        }
        ColumnType::Float => primitives!(Float64Array, Float),
        ColumnType::Int => primitives!(Int64Array, Int),
        ColumnType::Count | ColumnType::Small => primitives!(UInt64Array, Count),
        ColumnType::Flag => primitives!(BooleanArray, Flag),
        ColumnType::Ints => {
            let mut lists = ListBuilder::new(PrimitiveBuilder::<Int64Type>::new());
            for cell in cells() {
                let values = if let Cell::Ints(values) = cell { Some(values) } else { None };
                lists.values().append_slice(values.unwrap_or_default());
                lists.append(values.is_some());
            }
            Arc::new(lists.finish())
        }
        ColumnType::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells() {
                let values = if let Cell::Texts(values) = cell { Some(values) } else { None };
                for text in values.unwrap_or_default() {
                    lists.values().append_value(text);
                }
                lists.append(values.is_some());
            }
            Arc::new(lists.finish())
        }
    }
}

/// Builder of a query from conditions.
#[derive(Debug, Default)]
pub(super) struct RowQuery {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl RowQuery {
    /// Adds the condition that the column is one of the words; none if there are no words.
    pub(super) fn any_of<S: AsRef<str>>(mut self, column: &str, words: impl IntoIterator<Item = S>) -> Self {
        let before = self.values.len();
        self.values.extend(words.into_iter().map(|word| Value::Text(word.as_ref().to_owned())));
        let placeholders = vec!["?"; self.values.len() - before];
        if !placeholders.is_empty() {
            self.conditions.push(format!("{column} IN ({})", placeholders.join(", ")));
        }
        self
    }

    /// Adds a condition in which `?` is the instant; none without an instant.
    pub(super) fn instant(mut self, condition: &str, at: Option<Timestamp>) -> Self {
        if let Some(at) = at {
            self.conditions.push(condition.replace('?', &crate::store::read::instant(at.millis())));
        }
        self
    }

    /// Adds a condition in which `?` is the number; none without a number.
    pub(super) fn number(mut self, condition: &str, value: Option<f64>) -> Self {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(Value::Double(value));
        }
        self
    }

    /// Runs `SELECT stored columns FROM table WHERE conditions` followed by `then`, and reads each row.
    pub(super) fn read<R: StoredRow>(self, connection: &Connection, then: &str) -> Result<Vec<R>, StoreError> {
        let table = R::TABLE.name;
        let columns: Vec<String> = R::TABLE.stored().map(Column::select).collect();
        let mut sql = format!("SELECT {} FROM store.{table}", columns.join(", "));
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        let _ = write!(sql, " {then}");
        let mut rows = Vec::new();
        for_each_batch_with(connection, &sql, &self.values, |batch| {
            for idx in 0..batch.num_rows() {
                rows.push(R::read(&ResultRow { batch, idx, table })?);
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

/// Returns `LIMIT n`, or an empty string.
pub(super) fn limited(limit: Option<usize>) -> String {
    limit.map_or_else(String::new, |limit| format!("LIMIT {limit}"))
}

/// One row of a query's result; columns by position.
#[derive(Debug)]
struct ResultRow<'a> {
    batch: &'a RecordBatch,
    idx: usize,
    table: &'static str,
}

impl ResultRow<'_> {
    fn primitive<T: ArrowPrimitiveType>(&self, column: usize) -> Result<Option<T::Native>, StoreError> {
        let array = self.batch.column(column);
        let values = array
            .as_primitive_opt::<T>()
            .ok_or_else(|| self.corrupt(column, &format!("has type {}", array.data_type())))?;
        Ok(values.is_valid(self.idx).then(|| values.value(self.idx)))
    }

    /// Returns the list in a column of this row; `None` for NULL.
    fn list(&self, column: usize) -> Result<Option<ArrayRef>, StoreError> {
        let lists =
            self.batch.column(column).as_list_opt::<i32>().ok_or_else(|| self.corrupt(column, "is not a list"))?;
        Ok(lists.is_valid(self.idx).then(|| lists.value(self.idx)))
    }
}

impl Cells for ResultRow<'_> {
    fn text(&self, column: usize) -> Result<Option<String>, StoreError> {
        let array =
            self.batch.column(column).as_string_opt::<i32>().ok_or_else(|| self.corrupt(column, "is not text"))?;
        Ok(array.is_valid(self.idx).then(|| array.value(self.idx).to_owned()))
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.primitive::<TimestampMillisecondType>(column)?.map(Timestamp::from_millis))
    }

    fn float(&self, column: usize) -> Result<Option<f64>, StoreError> {
        self.primitive::<Float64Type>(column)
    }

    fn int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.primitive::<Int64Type>(column)
    }

    fn count(&self, column: usize) -> Result<Option<u64>, StoreError> {
        self.primitive::<UInt64Type>(column)
    }

    fn ints(&self, column: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let Some(list) = self.list(column)? else { return Ok(None) };
        let values =
            list.as_primitive_opt::<Int64Type>().ok_or_else(|| self.corrupt(column, "is not a list of integers"))?;
        Ok(Some(values.values().to_vec()))
    }

    fn texts(&self, column: usize) -> Result<Option<Vec<String>>, StoreError> {
        let Some(list) = self.list(column)? else { return Ok(None) };
        let values = list.as_string_opt::<i32>().ok_or_else(|| self.corrupt(column, "is not a list of texts"))?;
        Ok(Some(values.iter().flatten().map(str::to_owned).collect()))
    }

    fn corrupt(&self, column: usize, what: &str) -> StoreError {
        let schema = self.batch.schema();
        let detail = format!("column {} {what}", schema.field(column).name());
        StoreError::Corrupt { table: self.table, detail }
    }
}
