use std::{fmt::Write as _, sync::Arc};

use almanac_models::Timestamp;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, Int64Array, ListBuilder, PrimitiveBuilder, RecordBatch, StringArray,
        StringBuilder, TimestampMillisecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type},
};
use duckdb::{Connection, types::Value};

use crate::store::{StoreError, error::failed_to, read::for_each_batch_with};

/// Rows to write, column by column in the table's order.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<(String, ArrayRef)>);

impl Columns {
    fn add(mut self, array: impl Array + 'static) -> Self {
        self.0.push((format!("c{}", self.0.len()), Arc::new(array)));
        self
    }

    pub(super) fn text<'a>(self, values: impl Iterator<Item = &'a str>) -> Self {
        self.add(StringArray::from_iter_values(values))
    }

    pub(super) fn maybe_text<'a>(self, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.add(values.collect::<StringArray>())
    }

    pub(super) fn float(self, values: impl Iterator<Item = f64>) -> Self {
        self.add(Float64Array::from_iter_values(values))
    }

    pub(super) fn maybe_float(self, values: impl Iterator<Item = Option<f64>>) -> Self {
        self.add(values.collect::<Float64Array>())
    }

    pub(super) fn int(self, values: impl Iterator<Item = i64>) -> Self {
        self.add(Int64Array::from_iter_values(values))
    }

    pub(super) fn count(self, values: impl Iterator<Item = u64>) -> Self {
        self.add(UInt64Array::from_iter_values(values))
    }

    pub(super) fn maybe_count(self, values: impl Iterator<Item = Option<u64>>) -> Self {
        self.add(values.collect::<UInt64Array>())
    }

    pub(super) fn small(self, values: impl Iterator<Item = u32>) -> Self {
        self.add(UInt32Array::from_iter_values(values))
    }

    pub(super) fn time(self, values: impl Iterator<Item = Timestamp>) -> Self {
        self.add(TimestampMillisecondArray::from_iter_values(values.map(Timestamp::millis)))
    }

    pub(super) fn maybe_time(self, values: impl Iterator<Item = Option<Timestamp>>) -> Self {
        self.add(values.map(|value| value.map(Timestamp::millis)).collect::<TimestampMillisecondArray>())
    }

    pub(super) fn ints<'a>(self, values: impl Iterator<Item = &'a [i64]>) -> Self {
        let mut lists = ListBuilder::new(PrimitiveBuilder::<Int64Type>::new());
        for value in values {
            lists.values().append_slice(value);
            lists.append(true);
        }
        self.add(lists.finish())
    }

    pub(super) fn texts<'a>(self, values: impl Iterator<Item = &'a [String]>) -> Self {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for value in values {
            for text in value {
                lists.values().append_value(text);
            }
            lists.append(true);
        }
        self.add(lists.finish())
    }

    /// Appends the rows to a temporary table of the shape of `store.<table>` and runs `sql` with it,
    /// statement by statement; `{stage}` stands for its name. Answers the sum of the rows changed.
    pub(super) fn stage(self, connection: &Connection, table: &'static str, sql: &[&str]) -> Result<u64, StoreError> {
        let failed = failed_to("write rows");
        let rows = RecordBatch::try_from_iter(self.0)
            .map_err(|error| StoreError::InvalidRow { table, detail: error.to_string() })?;
        let stage = format!("stage_{table}");
        connection
            .execute_batch(&format!("CREATE OR REPLACE TEMP TABLE {stage} AS FROM store.{table} LIMIT 0"))
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

/// A query that grows condition by condition.
#[derive(Debug, Default)]
pub(super) struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    /// The column is one of these; no words: no condition.
    pub(super) fn any_of<S: AsRef<str>>(mut self, column: &str, words: impl IntoIterator<Item = S>) -> Self {
        let before = self.values.len();
        self.values.extend(words.into_iter().map(|word| Value::Text(word.as_ref().to_owned())));
        let places = vec!["?"; self.values.len() - before];
        if !places.is_empty() {
            self.conditions.push(format!("{column} IN ({})", places.join(", ")));
        }
        self
    }

    /// A condition on an instant, which stands as `?` in it; no instant: no condition.
    pub(super) fn instant(mut self, condition: &str, at: Option<Timestamp>) -> Self {
        if let Some(at) = at {
            self.conditions.push(condition.replace('?', &crate::store::read::instant(at.millis())));
        }
        self
    }

    /// A condition on a number.
    pub(super) fn number(mut self, condition: &str, value: Option<f64>) -> Self {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(Value::Double(value));
        }
        self
    }

    /// Runs `SELECT … FROM … WHERE the conditions` and what follows, and reads each row.
    pub(super) fn read<T>(
        self,
        connection: &Connection,
        table: &'static str,
        columns: &str,
        then: &str,
        mut row: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut sql = format!("SELECT {columns} FROM store.{table}");
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        let _ = write!(sql, " {then}");
        let mut rows = Vec::new();
        for_each_batch_with(connection, &sql, &self.values, |batch| {
            for idx in 0..batch.num_rows() {
                rows.push(row(&Row { batch, idx, table })?);
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

/// `LIMIT n`, or nothing.
pub(super) fn limited(limit: Option<usize>) -> String {
    limit.map_or_else(String::new, |limit| format!("LIMIT {limit}"))
}

/// One row of an answer; columns by position.
#[derive(Debug)]
pub(super) struct Row<'a> {
    batch: &'a RecordBatch,
    idx: usize,
    table: &'static str,
}

impl Row<'_> {
    fn corrupt(&self, column: usize, what: &str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            detail: format!("column {} {what}", self.batch.schema().field(column).name()),
        }
    }

    fn primitive<T: ArrowPrimitiveType>(&self, column: usize) -> Result<Option<T::Native>, StoreError> {
        let array = self
            .batch
            .column(column)
            .as_primitive_opt::<T>()
            .ok_or_else(|| self.corrupt(column, &format!("has type {}", self.batch.column(column).data_type())))?;
        Ok(array.is_valid(self.idx).then(|| array.value(self.idx)))
    }

    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        let array =
            self.batch.column(column).as_string_opt::<i32>().ok_or_else(|| self.corrupt(column, "is no text"))?;
        Ok(array.is_valid(self.idx).then(|| array.value(self.idx).to_owned()))
    }

    pub(super) fn text(&self, column: usize) -> Result<String, StoreError> {
        self.maybe_text(column)?.ok_or_else(|| self.corrupt(column, "is NULL"))
    }

    /// A word of an enumeration, or JSON.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        column: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?).map_err(|error| self.corrupt(column, &error.to_string()))
    }

    pub(super) fn maybe_float(&self, column: usize) -> Result<Option<f64>, StoreError> {
        self.primitive::<Float64Type>(column)
    }

    pub(super) fn float(&self, column: usize) -> Result<f64, StoreError> {
        self.maybe_float(column)?.ok_or_else(|| self.corrupt(column, "is NULL"))
    }

    pub(super) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.primitive::<Int64Type>(column)?.ok_or_else(|| self.corrupt(column, "is NULL"))
    }

    pub(super) fn maybe_count(&self, column: usize) -> Result<Option<u64>, StoreError> {
        self.primitive::<UInt64Type>(column)
    }

    pub(super) fn count(&self, column: usize) -> Result<u64, StoreError> {
        self.maybe_count(column)?.ok_or_else(|| self.corrupt(column, "is NULL"))
    }

    pub(super) fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.primitive::<TimestampMillisecondType>(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.maybe_time(column)?.ok_or_else(|| self.corrupt(column, "is NULL"))
    }

    pub(super) fn ints(&self, column: usize) -> Result<Vec<i64>, StoreError> {
        let lists = self.batch.column(column).as_list_opt::<i32>().ok_or_else(|| self.corrupt(column, "is no list"))?;
        let list = lists.value(self.idx);
        let values =
            list.as_primitive_opt::<Int64Type>().ok_or_else(|| self.corrupt(column, "is no list of integers"))?;
        Ok(values.values().to_vec())
    }

    pub(super) fn texts(&self, column: usize) -> Result<Vec<String>, StoreError> {
        let lists = self.batch.column(column).as_list_opt::<i32>().ok_or_else(|| self.corrupt(column, "is no list"))?;
        let list = lists.value(self.idx);
        let values = list.as_string_opt::<i32>().ok_or_else(|| self.corrupt(column, "is no list of texts"))?;
        Ok(values.iter().flatten().map(str::to_owned).collect())
    }
}
