//! Loads labelled anomaly sets: windows and scoring profiles of NAB, and the Server Machine Dataset with its split.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::{DataDirectory, LoadError, PublicSeries};

/// Anomaly window of the Numenta Anomaly Benchmark, both ends inclusive, epoch milliseconds.
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
    /// Weight of a detected window.
    pub tp_weight: f64,
    /// Weight of a missed window.
    pub fn_weight: f64,
    /// Weight of a false alarm.
    pub fp_weight: f64,
    /// Weight of a row that is correctly not flagged.
    pub tn_weight: f64,
}

/// Train or test half of the Server Machine Dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Training half, without labels.
    Train,
    /// Test half, labelled per machine.
    Test,
}

/// Series of the Server Machine Dataset with the number of its training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct SmdSeries {
    /// Timestamps, values and labels.
    pub series: PublicSeries,
    /// Number of training rows; the rows after them are test rows.
    pub n_train: usize,
}

impl SmdSeries {
    /// Returns the half to which a row belongs.
    #[must_use]
    pub const fn split(&self, row: usize) -> Split {
        if row < self.n_train { Split::Train } else { Split::Test }
    }
}

impl DataDirectory {
    /// Returns the anomaly windows of NAB by series; the list is empty for a series without anomalies.
    ///
    /// # Errors
    /// [`LoadError`] when the file does not exist or a timestamp cannot be parsed.
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

    /// Returns the scoring profiles of NAB by name.
    ///
    /// # Errors
    /// [`LoadError`] when the file does not exist or has another structure.
    pub fn nab_profiles(&self) -> Result<BTreeMap<String, NabProfile>, LoadError> {
        let path = self.file("nab_profiles.json", "the scoring profiles of NAB")?;
        let text = fs::read_to_string(&path).map_err(|source| LoadError::File { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|source| LoadError::Json { path, source })
    }

    /// Returns the Server Machine Dataset with its split.
    ///
    /// # Errors
    /// [`LoadError`] when the file does not exist or its columns differ.
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
