//! Columns and rows of an answer.

use almanac_engine::store::pg_type_oid;
use arrow::{
    array::{Array, RecordBatch},
    error::ArrowError,
};
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::{DataRow, FieldDescription};

use super::{array, binary, cell, text};

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Column {
    /// Name.
    pub(in crate::postgres) name: String,
    /// Type in PostgreSQL.
    pub(in crate::postgres) oid: u32,
}

impl Column {
    /// Returns the column for a name and a type of DuckDB.
    pub(in crate::postgres) fn new(name: &str, duckdb: &str) -> Self {
        Self { name: name.to_owned(), oid: pg_type_oid(duckdb) }
    }

    /// Returns the column as a field of a row description.
    pub(in crate::postgres) fn field(&self, is_binary: bool) -> FieldDescription {
        let size = match self.oid {
            16 | 18 => 1,
            21 => 2,
            23 | 26 | 700 | 1082 => 4,
            20 | 701 | 1083 | 1114 | 1184 => 8,
            1186 => 16,
            _ => -1,
        };
        FieldDescription::new(self.name.clone(), 0, 0, self.oid, size, -1, i16::from(is_binary))
    }
}

/// Encodes one row; `is_binary` selects the form of each column.
///
/// # Errors
/// Arrow's error for a value that its type cannot have.
pub(in crate::postgres) fn encode_row(
    batch: &RecordBatch,
    row: usize,
    columns: &[Column],
    is_binary: impl Fn(usize) -> bool,
) -> Result<DataRow, ArrowError> {
    let mut out = BytesMut::with_capacity(columns.len() * 16);
    for (idx, (values, column)) in batch.columns().iter().zip(columns).enumerate() {
        let start = out.len();
        out.put_i32(-1);
        if values.is_null(row) {
            continue;
        }
        let items = array::item_type(column.oid).and_then(|item| Some((cell::items(values, row)?, item)));
        match (items, is_binary(idx)) {
            (Some((items, item)), true) => array::write_binary(&items, item, &mut out)?,
            (None, true) => binary::write(values, row, column.oid, &mut out)?,
            (items, false) => {
                let mut shown = String::new();
                match items {
                    Some((items, item)) => array::write_text(&items, item, &mut shown)?,
                    None => text::write(values, row, column.oid, &mut shown)?,
                }
                out.put_slice(shown.as_bytes());
            }
        }
        let size = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
        out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
    let count = i16::try_from(columns.len()).unwrap_or(i16::MAX);
    Ok(DataRow::new(out, count))
}
