use super::{DataDirectory, LoadError};

/// An hourly series of the M4 competition: what was given and the 48 hours to be forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct M4Series {
    /// Its name.
    pub name: String,
    /// Epoch milliseconds of the first value; the stamps are artificial, an hour apart.
    pub start_ms: i64,
    /// The values given.
    pub train: Vec<f64>,
    /// The values that followed.
    pub test: Vec<f64>,
}

/// A published result over all 414 hourly series.
#[derive(Debug, Clone, PartialEq)]
pub struct M4Rank {
    /// The method's number or name.
    pub method: String,
    /// Who entered it.
    pub team: String,
    /// Overall weighted average against Naive 2.
    pub owa: Option<f64>,
    /// Symmetric mean absolute percentage error.
    pub smape: Option<f64>,
    /// Mean absolute scaled error.
    pub mase: Option<f64>,
    /// Mean scaled interval score of 95 % intervals.
    pub msis_95: Option<f64>,
}

impl DataDirectory {
    /// The hourly series of M4, by name.
    ///
    /// # Errors
    /// [`LoadError`] when a file is absent, its columns are others, or a series stands in one of the two files only.
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
        let mut stranger = None;
        self.each_row("m4_hourly_test.parquet", "what followed the hourly series of M4", sql, |row| {
            let name: String = row.get(0)?;
            match all.binary_search_by(|series| series.name.cmp(&name)) {
                Ok(idx) => all[idx].test.push(row.get(2)?),
                Err(_) => stranger = Some(name),
            }
            Ok(())
        })?;
        let lonely = all.iter().find(|series| series.test.is_empty()).map(|series| series.name.clone());
        if let Some(value) = stranger.or(lonely) {
            let path = self.file("m4_hourly_test.parquet", "what followed the hourly series of M4")?;
            return Err(LoadError::Value { path, value, what: "series of both files" });
        }
        Ok(all)
    }

    /// The published results over the hourly series.
    ///
    /// # Errors
    /// [`LoadError`] when the file is absent or its columns are others.
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
