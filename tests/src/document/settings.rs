//! Settings of a run: data directory, threads, and whether a subset is enough.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use almanac_datasets::loaders::{DATA_VARIABLE, DataDirectory};
use duckdb::Connection;

/// A quick run measures every eighth series.
const QUICK: usize = 8;

/// Settings of a run, passed to all sections.
#[derive(Debug, Clone)]
pub struct Settings {
    data: Option<(PathBuf, DataDirectory)>,
    /// Number of threads.
    pub threads: usize,
    /// Whether only a subset is measured.
    pub quick: bool,
}

impl Settings {
    /// Returns settings with the directory of the public sets from a flag or else from the environment. Sections that
    /// use no public set need no directory.
    ///
    /// # Errors
    /// When the path is not a directory.
    pub fn new(flag: Option<PathBuf>, threads: usize, quick: bool) -> Result<Self, Box<dyn Error>> {
        let named = std::env::var_os(DATA_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let open = |path: PathBuf| DataDirectory::open(path.clone()).map(|data| (path, data));
        Ok(Self { data: flag.or(named).map(open).transpose()?, threads, quick })
    }

    /// Returns the public sets.
    ///
    /// # Errors
    /// When no directory was given.
    pub fn data(&self) -> Result<&DataDirectory, Box<dyn Error>> {
        let named = self.data.as_ref().map(|(_, data)| data);
        Ok(named.ok_or_else(|| format!("no data directory: give --data DIR or set {DATA_VARIABLE}"))?)
    }

    /// Returns all items, or every eighth of them in a quick run.
    pub fn subset<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().step_by(if self.quick { QUICK } else { 1 }).collect()
    }

    /// Returns the methods and mean VUS-PR that TSB-AD publishes for one of its sets, best first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tsb_ad(&self, set: &str) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
        let db = Connection::open_in_memory()?;
        let sql = "SELECT method, mean_vus_pr FROM read_csv(?) WHERE dataset = ? ORDER BY mean_vus_pr DESC";
        let mut statement = db.prepare(sql)?;
        let rows = statement
            .query_map([self.path("tsbad_u_kpi_vuspr.csv")?, set.to_owned()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the name and SHA-256 of every file of the data directory.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn hashes(&self) -> Result<Vec<(String, String)>, Box<dyn Error>> {
        if self.data.is_none() {
            return Ok(Vec::new());
        }
        let db = Connection::open_in_memory()?;
        let mut statement = db.prepare("SELECT filename, sha256(content) FROM read_blob(?) ORDER BY filename")?;
        let mut hashes = Vec::new();
        for pattern in ["*.parquet", "*.json", "*.csv"] {
            let rows = statement.query_map([self.path(pattern)?], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
            // DuckDB fails when no file matches the pattern.
            for row in rows.into_iter().flatten() {
                let (path, hash) = row?;
                let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
                hashes.push((name.unwrap_or(path), hash));
            }
        }
        Ok(hashes)
    }

    fn path(&self, name: &str) -> Result<String, Box<dyn Error>> {
        self.data()?;
        let folder = self.data.as_ref().map(|(path, _)| path.join(name)).unwrap_or_default();
        Ok(folder.to_string_lossy().into_owned())
    }
}
