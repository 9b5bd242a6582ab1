//! Writes parts of samples into a folder, one folder a day: `day=2026-01-31/samples-00000000.parquet`.
//!
//! The number is that of the milliseconds of the day at which the part begins: a day with many samples has several files.

use std::{
    collections::HashSet,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::{ExportError, Part, parquet, text};

/// Format of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Parquet, compressed with zstd.
    Parquet,
    /// CSV with a header.
    Csv,
    /// One JSON object for each series, as VictoriaMetrics exports them.
    Ndjson,
}

impl ExportFormat {
    /// Returns the extension of the files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// Samples, stale markers among them.
    pub samples: u64,
    /// Distinct series.
    pub series: u64,
    /// Days with samples.
    pub days: u64,
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// A folder that takes parts of samples.
#[derive(Debug)]
pub struct ExportFolder {
    folder: PathBuf,
    format: ExportFormat,
    days: HashSet<i64>,
    /// Hashes of the labels of all series.
    series: HashSet<u64>,
    report: ExportReport,
}

impl ExportFolder {
    /// Creates the folder; it must be new or empty.
    ///
    /// # Errors
    /// [`ExportError::NotEmpty`], [`ExportError::Write`].
    pub fn create(folder: &Path, format: ExportFormat) -> Result<Self, ExportError> {
        let failed = |source: io::Error| ExportError::Write { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        if fs::read_dir(folder).map_err(failed)?.next().is_some() {
            return Err(ExportError::NotEmpty { folder: folder.to_owned() });
        }
        let report = ExportReport::default();
        Ok(Self { folder: folder.to_owned(), format, days: HashSet::new(), series: HashSet::new(), report })
    }

    /// Writes a part as one file, and returns the samples so far.
    ///
    /// # Errors
    /// [`ExportError::Write`], [`ExportError::Parquet`]; the file is not there then.
    pub fn write(&mut self, part: &Part) -> Result<u64, ExportError> {
        let (day_ms, offset) = part.day();
        let day = DateTime::<Utc>::from_timestamp_millis(day_ms).unwrap_or_default();
        let folder = self.folder.join(format!("day={}", day.format("%Y-%m-%d")));
        fs::create_dir_all(&folder).map_err(|source| ExportError::Write { path: folder.clone(), source })?;
        let name = format!("samples-{offset:08}.{}", self.format.extension());
        let (path, hidden) = (folder.join(&name), folder.join(format!(".{name}.part")));
        let written = self.file(&hidden, part).and_then(|()| {
            fs::rename(&hidden, &path).map_err(|source| ExportError::Write { path: path.clone(), source })
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&hidden);
            let _ = fs::remove_dir(&folder);
            return Err(error);
        }
        self.days.insert(day_ms);
        self.report.days = self.days.len() as u64;
        self.report.files += 1;
        self.report.bytes += fs::metadata(&path).map_or(0, |data| data.len());
        for one in &part.series {
            self.report.samples += one.values.len() as u64;
            let mut hasher = DefaultHasher::new();
            one.labels.hash(&mut hasher);
            self.series.insert(hasher.finish());
        }
        self.report.series = self.series.len() as u64;
        Ok(self.report.samples)
    }

    /// Returns what was written.
    #[must_use]
    pub fn report(&self) -> ExportReport {
        self.report
    }

    fn file(&self, path: &Path, part: &Part) -> Result<(), ExportError> {
        if self.format == ExportFormat::Parquet {
            return parquet::write(path, &part.series)
                .map_err(|source| ExportError::Parquet { path: path.to_owned(), source })
                .and_then(|()| sync(path));
        }
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            match self.format {
                ExportFormat::Csv => {
                    out.write_all(text::HEADER.as_bytes())?;
                    text::csv(&mut out, &part.series)?;
                }
                _ => text::lines(&mut out, &part.series)?,
            }
            out.flush()
        };
        write().map_err(|source| ExportError::Write { path: path.to_owned(), source })?;
        sync(path)
    }
}

/// Removes the file that an ended export has begun, and the folder of its day if it is the only one. Files that cannot be
/// removed are left: their names begin with a dot.
pub fn remove_incomplete(folder: &Path) {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for day in entries(folder).filter(|path| path.is_dir()) {
        for file in entries(&day) {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') && name.ends_with(".part") {
                let _ = fs::remove_file(&file);
            }
        }
        let _ = fs::remove_dir(&day);
    }
}

/// Waits until a file is on the disk, so that a name without a dot is a whole file also after a power cut.
fn sync(path: &Path) -> Result<(), ExportError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| ExportError::Write { path: path.to_owned(), source })
}
