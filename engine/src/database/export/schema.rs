//! Reads a schema: the JSON that `docs/advisors/database-export.sql` writes, or SQL of `pg_dump --schema-only`.

use super::{
    ddl::Builder,
    error::{ExportError, text},
    split::split,
    statements::without_place,
};
use crate::database::catalogue::Catalogue;

/// Content of an export of a schema.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaFile {
    /// Tables, columns and indexes; from SQL without statistics and sizes.
    pub catalogue: Catalogue,
    /// What was left out, one sentence each.
    pub notes: Vec<String>,
}

/// Reads a schema. `file` is the name in messages.
///
/// # Errors
/// [`ExportError`] with the line at fault, or when the file defines no table.
pub fn read_schema(file: &str, bytes: &[u8]) -> Result<SchemaFile, ExportError> {
    const CONTENT: &str = "the output of database-export.sql, or of pg_dump --schema-only";
    if bytes.starts_with(b"PGDMP") {
        let message = "the file is an archive of pg_dump; write it as text with pg_dump --schema-only --format=plain";
        return Err(ExportError::new(file, None, message));
    }
    let text = text(file, bytes, CONTENT)?;
    let read = if text.trim_start().starts_with('{') { from_json(file, text)? } else { from_sql(text) };
    if read.catalogue.tables.is_empty() {
        let notes = read.notes.join("; ");
        let message =
            format!("the file defines no table; expected {CONTENT}{}{notes}", if notes.is_empty() { "" } else { "; " });
        return Err(ExportError::new(file, None, message));
    }
    Ok(read)
}

fn from_json(file: &str, text: &str) -> Result<SchemaFile, ExportError> {
    let catalogue: Catalogue = serde_json::from_str(text).map_err(|error| {
        let message = format!("{}; expected the output of psql -XAtf database-export.sql", without_place(&error));
        ExportError::new(file, Some(error.line() as u64), message)
    })?;
    let mut notes: Vec<String> =
        catalogue.lacks.iter().map(|lack| format!("{}: {}", lack.missing, lack.remedy)).collect();
    let has_statistics =
        catalogue.tables.iter().flat_map(|table| &table.columns).any(|column| column.statistics.is_some());
    if !has_statistics {
        notes.push("no column has statistics; run ANALYZE, and export as a role that may read the tables".to_owned());
    }
    Ok(SchemaFile { catalogue, notes })
}

fn from_sql(text: &str) -> SchemaFile {
    let mut builder = Builder::default();
    for part in split(text) {
        builder.apply(part.line, part.text);
    }
    let (catalogue, mut notes) = builder.finish();
    notes
        .push("a schema as SQL has no statistics and sizes; psql -XAtf database-export.sql writes them too".to_owned());
    SchemaFile { catalogue, notes }
}
