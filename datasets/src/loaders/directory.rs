//! Opens the directory of public sets and reads Parquet files of plain series with DuckDB. Never writes to the
//! directory.

use std::path::{Path, PathBuf};

use duckdb::{Connection, Row};

use super::LoadError;

/// Environment variable with the path of the public sets.
pub const DATA_VARIABLE: &str = "ALMANAC_DATA";

/// Public set of plain series, one file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicSet {
    /// Numenta Anomaly Benchmark (MIT): 58 series, `incident` inside an anomaly window.
    Nab,
    /// AIOps challenge 2018 (no licence named): 9 service KPIs with labelled incidents.
    Kpi,
    /// Server Machine Dataset (MIT): two machines of 38 metrics; `incident` in the test half.
    Smd,
    /// NASA web server, July 1995 (no licence named): requests per minute.
    LoadNasa,
    /// gocrane/crane (Apache-2.0): workload metrics, one value per minute.
    LoadCrane,
    /// GWA-T-12 Bitbrains by OpenDC (MIT): processor use of 25 machines every 5 minutes.
    LoadBitbrains,
    /// Alibaba cluster trace 2018 (no licence named): whole-cluster means every 30 seconds.
    LoadAlibaba,
}

impl PublicSet {
    /// Every set.
    pub const ALL: [Self; 7] =
        [Self::Nab, Self::Kpi, Self::Smd, Self::LoadNasa, Self::LoadCrane, Self::LoadBitbrains, Self::LoadAlibaba];

    /// Name of the set's file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Nab => "nab.parquet",
            Self::Kpi => "kpi.parquet",
            Self::Smd => "smd.parquet",
            Self::LoadNasa => "load_nasa_jul.parquet",
            Self::LoadCrane => "load_crane.parquet",
            Self::LoadBitbrains => "load_bitbrains.parquet",
            Self::LoadAlibaba => "load_alibaba2018.parquet",
        }
    }

    /// Whether the file has a column `incident`.
    #[must_use]
    pub const fn labelled(self) -> bool {
        matches!(self, Self::Nab | Self::Kpi | Self::Smd)
    }
}

/// Series of a public set, sorted by time. Timestamps repeat where the source repeats them.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicSeries {
    /// Name of the series.
    pub name: String,
    /// Epoch milliseconds, ascending.
    pub timestamps: Vec<i64>,
    /// Values; NaN where the source has none.
    pub values: Vec<f64>,
    /// Whether each row lies in an incident; `None` when the set has no labels.
    pub incident: Option<Vec<bool>>,
}

/// Directory of the public sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    /// Opens the directory given by a flag, or else the one in [`DATA_VARIABLE`].
    ///
    /// # Errors
    /// [`LoadError::NoDirectory`] when neither is given; [`LoadError::NotADirectory`] when the path is not a directory.
    pub fn find(flag: Option<&Path>) -> Result<Self, LoadError> {
        let named = std::env::var_os(DATA_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = flag.map(Path::to_path_buf).or(named).ok_or(LoadError::NoDirectory { variable: DATA_VARIABLE })?;
        Self::open(path)
    }

    /// Opens the directory at this path.
    ///
    /// # Errors
    /// [`LoadError::NotADirectory`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LoadError> {
        let path = path.into();
        if path.is_dir() { Ok(Self { path }) } else { Err(LoadError::NotADirectory { path }) }
    }

    /// Returns the series of a set, sorted by name.
    ///
    /// # Errors
    /// [`LoadError::Absent`] and [`LoadError::Table`].
    pub fn series(&self, set: PublicSet) -> Result<Vec<PublicSeries>, LoadError> {
        let incident = if set.labelled() { "incident <> 0" } else { "NULL" };
        let sql = format!("SELECT series, epoch_ms(timestamp), value, {incident} FROM rows ORDER BY series, timestamp");
        let mut all: Vec<PublicSeries> = Vec::new();
        // Rows are sorted by series, so that a new name starts a new series.
        self.each_row(set.file(), "a public set of series", &sql, |row| {
            let (name, at): (String, i64) = (row.get(0)?, row.get(1)?);
            let (value, incident): (Option<f64>, Option<bool>) = (row.get(2)?, row.get(3)?);
            if all.last().is_none_or(|last| last.name != name) {
                let incident = set.labelled().then(Vec::new);
                all.push(PublicSeries { name, timestamps: Vec::new(), values: Vec::new(), incident });
            }
            if let Some(series) = all.last_mut() {
                series.timestamps.push(at);
                series.values.push(value.unwrap_or(f64::NAN));
                if let Some(flags) = &mut series.incident {
                    flags.push(incident.unwrap_or(false));
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Returns the path of a file that must exist; `what` describes its contents in the error.
    pub(super) fn file(&self, name: &str, what: &'static str) -> Result<PathBuf, LoadError> {
        let path = self.path.join(name);
        if path.is_file() { Ok(path) } else { Err(LoadError::Absent { path, what }) }
    }

    /// Runs a query over the file, which is the view `rows` in SQL, and calls `take` with each row.
    pub(super) fn each_row(
        &self,
        name: &str,
        what: &'static str,
        sql: &str,
        mut take: impl FnMut(&Row<'_>) -> duckdb::Result<()>,
    ) -> Result<(), LoadError> {
        let path = self.file(name, what)?;
        let quoted = path.to_string_lossy().replace('\'', "''");
        let mut read = || -> duckdb::Result<()> {
            let db = Connection::open_in_memory()?;
            db.execute_batch(&format!("CREATE VIEW rows AS SELECT * FROM '{quoted}'"))?;
            let mut statement = db.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        };
        read().map_err(|source| LoadError::Table { path, source })
    }
}
