//! Follows a server's log as it grows and through its rotation.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use almanac_engine::database::log::{LogFormat, LogReader, Timed};

/// Bytes that are read at once; the rest waits for the next time.
const PORTION: u64 = 16 << 20;

/// A followed log. The path is a file, or its last part has one `*`, such as `postgresql-*.csv`: then the newest file that
/// matches is followed.
#[derive(Debug)]
pub(super) struct Tail {
    pattern: PathBuf,
    open: Option<Open>,
    /// Whether a file was followed before: a further one is read from its start.
    has_started: bool,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    inode: u64,
    offset: u64,
    reader: LogReader,
}

impl Tail {
    pub(super) fn new(pattern: PathBuf) -> Self {
        Self { pattern, open: None, has_started: false }
    }

    /// Returns the entries since the last call. The first call starts at the end of the log.
    ///
    /// # Errors
    /// The system's, if there is no file or it cannot be read.
    pub(super) fn poll(&mut self) -> io::Result<Vec<Timed>> {
        let newest = newest(&self.pattern)?;
        let mut found = Vec::new();
        if let Some(mut open) = self.open.take() {
            let metadata = fs::metadata(&open.path).ok();
            let is_same = metadata.as_ref().is_some_and(|file| file.ino() == open.inode && file.len() >= open.offset);
            if is_same && let Err(error) = open.read(&mut found) {
                // Later it is read from the same place.
                self.open = Some(open);
                return Err(error);
            }
            if is_same && open.path == newest {
                self.open = Some(open);
                return Ok(found);
            }
            // Rotated or truncated: the last entry of the old file is complete.
            found.extend(open.reader.finish());
        }
        let metadata = fs::metadata(&newest)?;
        let offset = if self.has_started { 0 } else { metadata.len() };
        self.has_started = true;
        let reader = LogReader::new(LogFormat::of(&newest.to_string_lossy()));
        let mut open = Open { inode: metadata.ino(), path: newest, offset, reader };
        open.read(&mut found)?;
        self.open = Some(open);
        Ok(found)
    }
}

impl Open {
    fn read(&mut self, found: &mut Vec<Timed>) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        self.offset += file.take(PORTION).read_to_end(&mut bytes)? as u64;
        if bytes.is_empty() {
            // Nothing followed since the last time, so that the last entry is complete.
            found.extend(self.reader.finish());
        } else {
            found.extend(self.reader.push(&bytes));
        }
        Ok(())
    }
}

/// Returns the file to follow: the path itself, or the newest match of its last part.
fn newest(pattern: &Path) -> io::Result<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((start, end)) = name.split_once('*') else { return Ok(pattern.to_path_buf()) };
    let folder = pattern.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Option<(SystemTime, PathBuf)> = None;
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end) {
            let at = entry.metadata()?.modified()?;
            let newer = (at, entry.path());
            if found.as_ref().is_none_or(|known| *known < newer) {
                found = Some(newer);
            }
        }
    }
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no file matches {}", pattern.display()));
    found.map(|(_, path)| path).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn entry(ms: u32) -> String {
        format!("2026 LOG:  duration: {ms}.0 ms  statement: SELECT {ms}\n")
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn durations(tail: &mut Tail) -> Vec<f64> {
        tail.poll().unwrap().iter().map(|timed| timed.duration_ms).collect()
    }

    #[test]
    fn a_log_is_followed_from_its_end_and_through_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.poll().unwrap_err().kind(), io::ErrorKind::NotFound);
        append(&path, &entry(1));
        assert_eq!(durations(&mut tail), [0.0; 0], "what was there before");
        append(&path, &entry(2));
        append(&path, "2026 LOG:  duration: 3.0 ms  sta");
        assert_eq!(durations(&mut tail), [0.0; 0], "more of the entry may follow");
        append(&path, "tement: SELECT 3\n");
        assert_eq!(durations(&mut tail), [2.0]);
        // Renamed, and a new file in its place.
        fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        append(&path, &entry(4));
        append(&path, &entry(5));
        assert_eq!(durations(&mut tail), [3.0, 4.0]);
        // Truncated.
        fs::write(&path, entry(6)).unwrap();
        assert_eq!(durations(&mut tail), [5.0]);
        assert_eq!(durations(&mut tail), [6.0], "nothing followed, so that it is complete");
        assert_eq!(durations(&mut tail), [0.0; 0]);
    }

    #[test]
    fn the_newest_file_of_a_pattern_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = Tail::new(folder.path().join("pg-*.log"));
        assert!(tail.poll().unwrap_err().to_string().contains("no file matches"));
        append(&folder.path().join("pg-1.log"), "");
        append(&folder.path().join("other.log"), "");
        assert_eq!(durations(&mut tail), [0.0; 0]);
        append(&folder.path().join("pg-1.log"), &entry(1));
        append(&folder.path().join("pg-2.log"), &entry(2));
        let mut found = durations(&mut tail);
        found.extend(durations(&mut tail));
        assert_eq!(found, [1.0, 2.0]);
    }
}
