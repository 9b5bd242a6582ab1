//! Writes SQL answers as Parquet files, for the command line.

use std::{fs, io};

use arrow::array::RecordBatch;
use duckdb::{
    Connection,
    vtab::arrow::{ArrowVTab, arrow_recordbatch_to_query_params},
};

use super::SqlAnswer;

/// Error of writing an answer as Parquet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetError {
    /// The temporary file could not be created or read.
    #[error("cannot use the temporary folder")]
    Folder(#[from] io::Error),
    /// DuckDB could not write the rows.
    #[error("cannot write the rows as Parquet")]
    Write(#[from] duckdb::Error),
}

/// Encodes an answer as a Parquet file compressed with zstd. Uses a separate database in memory, not the store.
///
/// For short-lived commands only: the crate `duckdb` does not release the batches until the process ends.
///
/// # Errors
/// [`ParquetError`].
pub fn to_parquet(answer: &SqlAnswer) -> Result<Vec<u8>, ParquetError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("answer.parquet");
    let db = Connection::open_in_memory()?;
    db.register_table_function::<ArrowVTab>("batch")?;
    let empty = RecordBatch::new_empty(answer.schema.clone());
    let first = answer.batches.first().unwrap_or(&empty);
    let rows = |batch: &RecordBatch| arrow_recordbatch_to_query_params(batch.clone());
    db.execute("CREATE TABLE answer AS SELECT * FROM batch(?, ?)", rows(first))?;
    for batch in answer.batches.iter().skip(1) {
        db.execute("INSERT INTO answer SELECT * FROM batch(?, ?)", rows(batch))?;
    }
    let target = path.to_string_lossy().replace('\'', "''");
    db.execute_batch(&format!("COPY answer TO '{target}' (FORMAT parquet, COMPRESSION zstd)"))?;
    Ok(fs::read(&path)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, MapBuilder, StringArray, StringBuilder, TimestampMillisecondArray};

    use super::*;

    fn answer(batches: usize) -> SqlAnswer {
        let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        labels.keys().append_value("job");
        labels.values().append_value("api");
        labels.append(true).unwrap();
        labels.append(true).unwrap();
        let columns: [(&str, ArrayRef); 4] = [
            ("n", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ("t", Arc::new(StringArray::from(vec!["a", "b"]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![0, 5]))),
            ("labels", Arc::new(labels.finish())),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap();
        let schema = batch.schema();
        SqlAnswer { schema, types: Vec::new(), batches: vec![batch; batches], truncated: false }
    }

    #[test]
    fn rows_come_back_from_parquet() {
        for batches in [0, 1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.parquet");
            fs::write(&path, to_parquet(&answer(batches)).unwrap()).unwrap();
            let db = Connection::open_in_memory().unwrap();
            let sql = format!(
                "SELECT count(*), sum(n)::BIGINT, max(epoch_ms(\"at\")), max(labels['job']) FROM '{}'",
                path.display()
            );
            let found: (i64, Option<i64>, Option<i64>, Option<String>) =
                db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
            let n = i64::try_from(batches).unwrap();
            let some = |value: i64| (n > 0).then_some(value);
            assert_eq!(found, (2 * n, some(n), some(5), (n > 0).then(|| "api".to_owned())));
        }
    }
}
