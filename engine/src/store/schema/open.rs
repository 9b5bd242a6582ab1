//! Opens the file and refuses what is not a sound store of this release, before anything is written.

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
    if path == Path::new(":memory:") {
        return Err(failed("to DuckDB this means no file at all, and nothing would be kept; name a file".to_owned()));
    }
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
            check_log(path, &log)?;
            // Opening for writing would merge the log into the file: look first whether it is ours.
            let looking = open_mode(path, options, AccessMode::ReadOnly)?;
            check_version(&looking, path)?;
            check_blocks(&looking, path)?;
        }
    }
    let is_new = !path.exists();
    let connection = open_mode(path, options, AccessMode::ReadWrite)?;
    check_version(&connection, path)?;
    if !is_new {
        check_blocks(&connection, path)?;
    }
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
pub(super) fn cannot_open(path: &Path, error: &duckdb::Error) -> StoreError {
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
    if length < HEADERS {
        return Err(damaged(path, length, HEADERS));
    }
    Ok(())
}

/// How a write-ahead log begins: field 100 holds 98, "version of the log"; field 101 the version.
const LOG_HEAD: [u8; 5] = [0x64, 0x00, 0x62, 0x65, 0x00];

/// Longest first entry of a log that is believed: it names a table.
const LOG_ENTRY: u64 = 1 << 30;

/// Looks at how the write-ahead log begins. DuckDB takes a beginning that it does not understand for a log that was cut off
/// while it was first written, and throws all of it away without a word.
fn check_log(path: &Path, log: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Open { path: log.to_owned(), detail: kind(&error) };
    let mut head = Vec::new();
    File::open(log).map_err(failed)?.take(16).read_to_end(&mut head).map_err(failed)?;
    let begins = head.iter().zip(&LOG_HEAD).all(|(found, expected)| found == expected);
    let size = head.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    if begins && size <= LOG_ENTRY {
        return Ok(());
    }
    let detail = format!("its log {} does not begin as a log does", log.display());
    Err(StoreError::Damaged { path: path.to_owned(), detail })
}

fn damaged(path: &Path, length: u64, expected: u64) -> StoreError {
    let detail = format!("it has {length} bytes, at least {expected} are expected");
    StoreError::Damaged { path: path.to_owned(), detail }
}

/// Checks that every block in use is within the file: DuckDB itself notices a missing one only when it reads it.
///
/// The header's count of blocks is no bound: free ones at the end need not exist on disk.
fn check_blocks(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let unreadable = |error: duckdb::Error| cannot_open(path, &error);
    let mut statement = connection
        .prepare("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND NOT temporary")
        .map_err(unreadable)?;
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(unreadable)?;
    let blocks = |table: &String| format!("SELECT max(block_id) AS block FROM pragma_storage_info('store.{table}')");
    let every: Vec<String> = tables.iter().map(blocks).collect();
    let (last, size): (Option<i64>, u64) = connection
        .query_row(
            &format!(
                "SELECT max(block), (SELECT block_size FROM pragma_database_size()) FROM (
                     SELECT max(block_id) AS block FROM pragma_metadata_info() UNION ALL {})",
                every.join(" UNION ALL ")
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(unreadable)?;
    let blocks = last.and_then(|block| u64::try_from(block).ok()).map_or(0, |block| block + 1);
    let expected = blocks.saturating_mul(size).saturating_add(HEADERS);
    let length = path.metadata().map_or(u64::MAX, |file| file.len());
    if length < expected { Err(damaged(path, length, expected)) } else { Ok(()) }
}
