use std::{
    collections::HashSet,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use duckdb::{AccessMode, Config, Connection};
use parking_lot::Mutex;

use super::migrate::check_version;
use crate::store::{
    StoreError, StoreOptions,
    error::{failed_to, is_disk_full, one_line},
};

/// Files that this process has open: the system's lock keeps out other processes only.
static OPEN_HERE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// The right to open a file in this process; given back when dropped.
#[derive(Debug)]
pub(in crate::store) struct FileClaim(PathBuf);

impl FileClaim {
    pub(in crate::store) fn new(path: &Path) -> Result<Self, StoreError> {
        let whole = whole_path(path)?;
        if OPEN_HERE.lock().get_or_insert_default().insert(whole.clone()) {
            Ok(Self(whole))
        } else {
            Err(StoreError::Locked { path: path.to_owned(), holder: " (this very process)".to_owned() })
        }
    }
}

impl Drop for FileClaim {
    fn drop(&mut self) {
        if let Some(open) = OPEN_HERE.lock().as_mut() {
            open.remove(&self.0);
        }
    }
}

fn whole_path(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |detail: String| StoreError::Open { path: path.to_owned(), detail };
    let name = path.file_name().ok_or_else(|| failed("the path names no file".to_owned()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| failed(format!("folder {folder:?}: {}", kind(&error))))?;
    // A link to the file is followed, so that it is the same file by every name.
    Ok(folder.join(name).canonicalize().unwrap_or_else(|_| folder.join(name)))
}

fn kind(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Opens the file and refuses what is not ours, before anything is written.
pub(in crate::store) fn connect(path: &Path, options: &StoreOptions) -> Result<Connection, StoreError> {
    if path.exists() {
        check_header(path)?;
        let log = PathBuf::from(format!("{}.wal", path.display()));
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            // Opening for writing would merge the log into the file: look first whether it is ours.
            let looking = open_mode(path, options, AccessMode::ReadOnly)?;
            check_version(&looking, path)?;
        }
    }
    let connection = open_mode(path, options, AccessMode::ReadWrite)?;
    check_version(&connection, path)?;
    Ok(connection)
}

fn open_mode(path: &Path, options: &StoreOptions, mode: AccessMode) -> Result<Connection, StoreError> {
    let config = || -> duckdb::Result<Config> {
        let mut config = Config::default()
            .access_mode(mode.clone())?
            .enable_autoload_extension(false)?
            .with("allow_community_extensions", "false")?
            .with("memory_limit", format!("{}MiB", options.memory_bytes >> 20))?
            // Checkpoints are ours to time: at a rotation of segments, when there is little to write.
            .with("checkpoint_threshold", "4GiB")?;
        if options.threads > 0 {
            config = config.threads(i64::try_from(options.threads).unwrap_or(i64::MAX))?;
        }
        Ok(config)
    };
    let config = config().map_err(failed_to("configure DuckDB"))?;
    Connection::open_with_flags(path, config).map_err(|error| cannot_open(path, &error))
}

/// Closes files, network, extensions and configuration to every later statement.
pub(in crate::store) fn lock_settings(connection: &Connection) -> Result<(), StoreError> {
    // So that `now()::TIMESTAMP` is UTC like every timestamp here. A library without time zones lacks the setting
    // and knows UTC only.
    let _ = connection.execute_batch("SET GLOBAL TimeZone = 'UTC'");
    connection
        .execute_batch(
            "SET enable_external_access = false; SET autoload_known_extensions = false;
             SET autoinstall_known_extensions = false; SET lock_configuration = true",
        )
        .map_err(failed_to("lock the settings of the database"))
}

/// Says in our words why DuckDB could not open a file.
fn cannot_open(path: &Path, error: &duckdb::Error) -> StoreError {
    let path = path.to_owned();
    let message = error.to_string();
    let detail = one_line(error);
    if message.contains("Could not set lock") || message.contains("Conflicting lock") {
        let holder = message
            .split_once("(PID ")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or_else(String::new, |(pid, _)| format!(" (process {pid})"));
        StoreError::Locked { path, holder }
    } else if message.contains("not a valid DuckDB database") {
        StoreError::NotDuckDb { path }
    } else if is_disk_full(&message) {
        StoreError::DiskFull { detail }
    } else if ["Corrupt", "checksum", "not read enough bytes", "replaying WAL", "Serialization"]
        .iter()
        .any(|sign| message.contains(sign))
    {
        StoreError::Damaged { path, detail }
    } else {
        StoreError::Open { path, detail }
    }
}

/// Bytes before the first block: the main header and two database headers of 4 KiB each.
const HEADERS: u64 = 3 * 4096;

/// Looks at the file's headers: DuckDB itself notices missing blocks only when it reads them, and
/// offers to fetch extensions for the databases of others.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Open { path: path.to_owned(), detail: kind(&error) };
    if path.is_dir() {
        return Err(StoreError::Open { path: path.to_owned(), detail: "it is a folder".to_owned() });
    }
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut headers = Vec::new();
    file.by_ref().take(HEADERS).read_to_end(&mut headers).map_err(failed)?;
    // Checksum, then the four letters.
    if headers.get(8..12) != Some(b"DUCK".as_slice()) {
        return Err(StoreError::NotDuckDb { path: path.to_owned() });
    }
    let damaged = |expected: u64| StoreError::Damaged {
        path: path.to_owned(),
        detail: format!("it has {length} bytes, at least {expected} are expected"),
    };
    if length < HEADERS {
        return Err(damaged(HEADERS));
    }
    // Of the two database headers the one with the higher iteration counts:
    // checksum, iteration, meta block, free list, block count, block size.
    let number = |header: usize, field: usize| {
        let at = header * 4096 + field * 8;
        headers.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let current = if number(1, 1) >= number(2, 1) { 1 } else { 2 };
    let block_size = match number(current, 5) {
        0 => 262_144,
        size => size,
    };
    let expected = number(current, 4).saturating_mul(block_size).saturating_add(HEADERS);
    if length < expected { Err(damaged(expected)) } else { Ok(()) }
}
