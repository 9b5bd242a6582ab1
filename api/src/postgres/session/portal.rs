//! Prepared statements, and portals: statements with values, and the rows that are still to be sent.

use std::sync::Arc;

use almanac_engine::store::{SqlAnswer, SqlDescription, SqlParam, postgres::ParamType};
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use pgwire::{error::PgWireError, messages::data::DataRow};

use super::command::Command;
use crate::{
    http::Reserved,
    postgres::values::{Column, encode_row},
};

/// A prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Text, without a semicolon.
    pub(super) text: String,
    /// Characters before it in the client's text.
    pub(super) offset: u64,
    /// What is done with it; `None` for an empty text.
    pub(super) command: Option<Command>,
    /// Types of the parameters as the client declares them; 0 for an open one.
    pub(super) declared: Vec<u32>,
    /// What they are here.
    pub(super) types: Vec<Option<ParamType>>,
    /// What a worker has returned about it.
    pub(super) description: parking_lot::Mutex<Option<Arc<SqlDescription>>>,
}

impl Prepared {
    /// Returns about how many bytes the statement takes.
    pub(super) fn bytes(&self) -> usize {
        let described = self.description.lock();
        let columns = described.as_ref().map_or(0, |description| {
            let names = description.columns.iter().map(|(name, found)| name.len() + found.len());
            names.sum::<usize>() + description.columns.len() * size_of::<(String, String)>()
        });
        self.text.len() + self.declared.len() * (size_of::<u32>() + size_of::<Option<ParamType>>()) + columns
    }
}

/// Which columns are sent in binary form.
#[derive(Debug, Clone, Default)]
pub(super) struct Formats(pub(super) Vec<i16>);

impl Formats {
    /// Returns whether a column is sent in binary form: all by the one code, or each by its own.
    pub(super) fn is_binary(&self, column: usize) -> bool {
        match self.0.as_slice() {
            [] => false,
            [one] => *one == 1,
            each => each.get(column) == Some(&1),
        }
    }
}

/// The rows of an answer, and how many were sent.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    batches: Vec<RecordBatch>,
    batch: usize,
    row: usize,
    /// Memory of the rows, given back when the last one was sent.
    memory: Reserved,
}

impl Rows {
    /// Takes an answer with the memory that is reserved for it.
    pub(super) fn new(answer: SqlAnswer, memory: Reserved) -> Self {
        let fields = answer.schema.fields().iter().zip(&answer.types);
        let columns = fields.map(|(field, found)| Column::new(field.name(), found)).collect();
        Self { columns, batches: answer.batches, batch: 0, row: 0, memory }
    }

    /// Returns one row of texts.
    pub(super) fn texts(values: &[(&str, String)]) -> Self {
        let columns = values.iter().map(|(name, _)| Column { name: (*name).to_owned(), oid: 25 }).collect();
        let fields: Vec<Field> = values.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
        let arrays = values.iter().map(|(_, value)| Arc::new(StringArray::from(vec![value.as_str()])) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect());
        Self { columns, batches: batch.into_iter().collect(), batch: 0, row: 0, memory: Reserved::default() }
    }

    /// Returns the next row in the given form, or nothing at the end.
    pub(super) fn next(&mut self, formats: &Formats) -> Result<Option<DataRow>, PgWireError> {
        while let Some(batch) = self.batches.get(self.batch) {
            if self.row < batch.num_rows() {
                let row = encode_row(batch, self.row, &self.columns, |column| formats.is_binary(column));
                self.row += 1;
                return row.map(Some).map_err(|error| PgWireError::ApiError(Box::new(error)));
            }
            (self.batch, self.row) = (self.batch + 1, 0);
        }
        self.batches.clear();
        drop(std::mem::take(&mut self.memory));
        Ok(None)
    }

    /// Skips a row, and returns whether there was one.
    pub(super) fn skip(&mut self) -> bool {
        while let Some(batch) = self.batches.get(self.batch) {
            if self.row < batch.num_rows() {
                self.row += 1;
                return true;
            }
            (self.batch, self.row) = (self.batch + 1, 0);
        }
        false
    }

    /// Whether all rows were sent.
    pub(super) fn is_done(&self) -> bool {
        let rest = self.batches.get(self.batch..).unwrap_or_default();
        rest.iter().map(RecordBatch::num_rows).sum::<usize>() <= self.row
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) statement: Arc<Prepared>,
    pub(super) values: Vec<SqlParam>,
    pub(super) formats: Formats,
    /// The answer, once it has run.
    pub(super) rows: Option<Rows>,
    /// Whether it was declared as a cursor that outlives its transaction.
    pub(super) is_held: bool,
}

impl Portal {
    /// Returns about how many bytes the values take.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.values.iter().map(|value| if let SqlParam::Text(text) = value { text.len() } else { 0 });
        texts.sum::<usize>() + self.values.len() * size_of::<SqlParam>()
    }
}
