//! Loads the hourly series of the M4 competition and the published results over them.

use super::{DataDirectory, LoadError};

/// Hourly series of the M4 competition: the training values and the 48 values to be forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct M4Series {
    /// Name of the series.
    pub name: String,
    /// Epoch milliseconds of the first value; the timestamps are artificial, an hour apart.
    pub start_ms: i64,
    /// Training values.
    pub train: Vec<f64>,
    /// Values of the forecast horizon.
    pub test: Vec<f64>,
}

/// Published result over all 414 hourly series.
#[derive(Debug, Clone, PartialEq)]
pub struct M4Rank {
    /// Number or name of the method.
    pub method: String,
    /// Authors of the entry.
    pub team: String,
    /// Overall weighted average relative to Naive 2.
    pub owa: Option<f64>,
    /// Symmetric mean absolute percentage error.
    pub smape: Option<f64>,
    /// Mean absolute scaled error.
    pub mase: Option<f64>,
    /// Mean scaled interval score of 95 % intervals.
    pub msis_95: Option<f64>,
}

impl DataDirectory {
    /// Returns the hourly series of M4, sorted by name.
    ///
    /// # Errors
    /// [`LoadError`] when a file does not exist, its columns differ, or a series is in only one of the two files.
    pub fn m4_hourly(&self) -> Result<Vec<M4Series>, LoadError> {
        let sql = "SELECT series, epoch_ms(timestamp), value FROM rows ORDER BY series, timestamp";
        let mut all: Vec<M4Series> = Vec::new();
        self.each_row("m4_hourly_train.parquet", "the hourly series of M4", sql, |row| {
            let (name, start_ms): (String, i64) = (row.get(0)?, row.get(1)?);
            if all.last().is_none_or(|last| last.name != name) {
                all.push(M4Series { name, start_ms, train: Vec::new(), test: Vec::new() });
            }
            if let Some(series) = all.last_mut() {
                series.train.push(row.get(2)?);
            }
            Ok(())
        })?;
        let mut only_in_test = None;
        self.each_row("m4_hourly_test.parquet", "the test values of M4 Hourly", sql, |row| {
            let name: String = row.get(0)?;
            match all.binary_search_by(|series| series.name.cmp(&name)) {
                Ok(idx) => all[idx].test.push(row.get(2)?),
                Err(_) => only_in_test = Some(name),
            }
            Ok(())
        })?;
        let only_in_train = all.iter().find(|series| series.test.is_empty()).map(|series| series.name.clone());
        if let Some(value) = only_in_test.or(only_in_train) {
            let path = self.file("m4_hourly_test.parquet", "the test values of M4 Hourly")?;
            return Err(LoadError::Value { path, value, what: "series of both files" });
        }
        Ok(all)
    }

    /// Returns the published results over the hourly series.
    ///
    /// # Errors
    /// [`LoadError`] when the file does not exist or its columns differ.
    pub fn m4_ranks(&self) -> Result<Vec<M4Rank>, LoadError> {
        let sql = r#"SELECT method::VARCHAR, coalesce(team, ''), "OWA", "sMAPE", "MASE", "MSIS_95" FROM rows"#;
        let mut ranks = Vec::new();
        self.each_row("m4_hourly_ranks.csv", "published results of M4", sql, |row| {
            ranks.push(M4Rank {
                method: row.get(0)?,
                team: row.get(1)?,
                owa: row.get(2)?,
                smape: row.get(3)?,
                mase: row.get(4)?,
                msis_95: row.get(5)?,
            });
            Ok(())
        })?;
        Ok(ranks)
    }
}
