use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::{DataDirectory, LoadError, PublicSeries};

/// An anomaly window of the Numenta Anomaly Benchmark: both ends belong to it, epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NabWindow {
    /// First instant.
    pub start_ms: i64,
    /// Last instant.
    pub end_ms: i64,
}

/// Weights of a scoring profile of the Numenta Anomaly Benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NabProfile {
    /// Weight of a found window.
    pub tp_weight: f64,
    /// Weight of a missed window.
    pub fn_weight: f64,
    /// Weight of a false alarm.
    pub fp_weight: f64,
    /// Weight of a rightly quiet row.
    pub tn_weight: f64,
}

/// Half of the Server Machine Dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// For learning; not labelled.
    Train,
    /// For scoring; labelled by machine.
    Test,
}

/// A series of the Server Machine Dataset with its half for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct SmdSeries {
    /// Stamps, values and labels.
    pub series: PublicSeries,
    /// Rows that are for learning; the rest, after them, are for scoring.
    pub n_train: usize,
}

impl SmdSeries {
    /// The half that a row belongs to.
    #[must_use]
    pub const fn split(&self, row: usize) -> Split {
        if row < self.n_train { Split::Train } else { Split::Test }
    }
}

impl DataDirectory {
    /// The anomaly windows of NAB by series; a series without an anomaly has none.
    ///
    /// # Errors
    /// [`LoadError`] when the file is absent or a stamp cannot be read.
    pub fn nab_windows(&self) -> Result<BTreeMap<String, Vec<NabWindow>>, LoadError> {
        let path = self.file("nab_windows.json", "the anomaly windows of NAB")?;
        let text = fs::read_to_string(&path).map_err(|source| LoadError::File { path: path.clone(), source })?;
        let raw: BTreeMap<String, Vec<[String; 2]>> =
            serde_json::from_str(&text).map_err(|source| LoadError::Json { path: path.clone(), source })?;
        let instant = |text: &str| {
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
                .map(|at| at.and_utc().timestamp_millis())
                .map_err(|_| LoadError::Value { path: path.clone(), value: text.into(), what: "instant" })
        };
        let window = |[start, end]: &[String; 2]| Ok(NabWindow { start_ms: instant(start)?, end_ms: instant(end)? });
        raw.iter()
            .map(|(name, windows)| Ok((name.clone(), windows.iter().map(window).collect::<Result<_, LoadError>>()?)))
            .collect()
    }

    /// The scoring profiles of NAB by name.
    ///
    /// # Errors
    /// [`LoadError`] when the file is absent or has another form.
    pub fn nab_profiles(&self) -> Result<BTreeMap<String, NabProfile>, LoadError> {
        let path = self.file("nab_profiles.json", "the scoring profiles of NAB")?;
        let text = fs::read_to_string(&path).map_err(|source| LoadError::File { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|source| LoadError::Json { path, source })
    }

    /// The Server Machine Dataset with the half that each row belongs to.
    ///
    /// # Errors
    /// [`LoadError`] when the file is absent or its columns are others.
    pub fn smd(&self) -> Result<Vec<SmdSeries>, LoadError> {
        let series = self.series(super::PublicSet::Smd)?;
        let mut n_train = BTreeMap::new();
        let sql = "SELECT series, count(*) FILTER (WHERE split = 'train') FROM rows GROUP BY series";
        self.each_row(super::PublicSet::Smd.file(), "the Server Machine Dataset", sql, |row| {
            let (name, n): (String, usize) = (row.get(0)?, row.get(1)?);
            n_train.insert(name, n);
            Ok(())
        })?;
        let with_split =
            |series: PublicSeries| SmdSeries { n_train: n_train.get(&series.name).copied().unwrap_or(0), series };
        Ok(series.into_iter().map(with_split).collect())
    }
}
