//! Opens the file. Damaged, foreign and newer files are rejected before anything is written.

use std::{
    collections::HashSet,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use duckdb::{AccessMode, Config, Connection};
use parking_lot::Mutex;

use super::{
    checkpoint::{metadata_blocks, save_metadata},
    migrate::check_version,
};
use crate::store::{
    StoreError, StoreOptions,
    error::{cannot_open, failed_to},
    file::{HEADERS, Recovered, StateFile, log_path, recover, remove_spare, remove_unborn},
    segment::register_functions,
};

/// Files that this process has open; the operating system's lock excludes other processes only.
static OPEN_HERE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Exclusive use of a file within this process; released when dropped.
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

/// Returns the canonical path of a file that need not exist.
fn whole_path(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |detail: String| StoreError::Open { path: path.to_owned(), detail };
    if path == Path::new(":memory:") {
        return Err(failed(":memory: is not a file, nothing would be stored; give the path of a file".to_owned()));
    }
    let name = path.file_name().ok_or_else(|| failed("the path has no file name".to_owned()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| failed(format!("folder {folder:?}: {}", kind(&error))))?;
    // Symbolic links are resolved, so that every path of a file gives the same claim.
    Ok(folder.join(name).canonicalize().unwrap_or_else(|_| folder.join(name)))
}

fn kind(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Opens the file for writing after validation.
pub(in crate::store) fn connect(path: &Path, options: &StoreOptions) -> Result<(Connection, Recovered), StoreError> {
    remove_unborn(path);
    let log = log_path(path);
    let has_log = || log.metadata().is_ok_and(|log| log.len() > 0);
    if path.exists() {
        check_header(path)?;
        if has_log() {
            check_log(path, &log)?;
        }
    }
    let recovered = recover(path)?;
    // An opening that was killed may have left it.
    let _ = std::fs::remove_file(CheckLink::name(path));
    if path.exists() && has_log() {
        // Opening for writing merges the log into the file, so the version is checked read-only first: by another name, by
        // which DuckDB finds no log to replay, because that takes seconds.
        let link = CheckLink::new(path);
        let looking = open_mode(path, link.as_ref().map_or(path, |link| &link.0), options, AccessMode::ReadOnly)?;
        let mut found = check_version(&looking, path)?;
        check_blocks(&looking, path)?;
        let metadata = metadata_blocks(&looking)?;
        // Before another descriptor of the file is closed, which would release its lock.
        drop(looking);
        save_metadata(path, &metadata);
        if found == 0 && link.is_some() {
            // Nothing is known without the log: the database may be another program's, or a new store.
            found = check_version(&open_mode(path, path, options, AccessMode::ReadOnly)?, path)?;
        }
        tracing::debug!(version = found, "the store has a log");
    }
    let is_new = !path.exists();
    if is_new {
        StateFile::begin(path);
    }
    // A full disk may end the creation.
    let connection = open_mode(path, path, options, AccessMode::ReadWrite).inspect_err(|_| remove_unborn(path))?;
    // If the opening has written a checkpoint, it is durable.
    remove_spare(path);
    check_version(&connection, path)?;
    if is_new {
        secure_new(path);
    } else {
        check_blocks(&connection, path)?;
    }
    Ok((connection, recovered))
}

/// Opens a file without looking at what it contains, by the name `file`: the copy of a damaged store, whose log is replayed but not merged, or a
/// new file. `path`: its name in errors.
pub(in crate::store) fn connect_unchecked(
    path: &Path,
    file: &Path,
    options: &StoreOptions,
) -> Result<Connection, StoreError> {
    let is_new = !file.exists();
    let connection = open_mode(path, file, options, AccessMode::ReadWrite)?;
    if is_new {
        secure_new(file);
    }
    connection.execute_batch("PRAGMA disable_checkpoint_on_shutdown").map_err(failed_to("configure DuckDB"))?;
    Ok(connection)
}

/// Second name of the file; removed when dropped.
struct CheckLink(PathBuf);

impl CheckLink {
    fn name(path: &Path) -> PathBuf {
        let mut link = path.as_os_str().to_owned();
        link.push(".check");
        PathBuf::from(link)
    }

    /// Returns `None` where the file system has no hard links.
    fn new(path: &Path) -> Option<Self> {
        let link = Self::name(path);
        std::fs::hard_link(path, &link).ok().map(|()| Self(link))
    }
}

impl Drop for CheckLink {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes a new file readable by its owner alone, and its folder entry durable: without that, a power cut could leave
/// acknowledged samples in a file that no folder lists. Where the file system or the folder's rights do not allow it,
/// the store works all the same, and a line in the log names the file.
fn secure_new(path: &Path) {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let restricted = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600));
        if let Err(error) = restricted {
            tracing::warn!(file = %path.display(), detail = kind(&error), "the mode of the new store could not be set to 0600");
        }
    }
    if let Some(folder) = path.parent()
        && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        tracing::warn!(file = %path.display(), detail = kind(&error), "the folder of the new store could not be synced");
    }
}

/// Size of the blocks of a new file in bytes; DuckDB's own is four times that. Small tables and the metadata take at least a
/// block each, several megabytes in all, while a block of samples still has twenty rows.
const BLOCK_BYTES: &str = "65536";

/// Opens the store at `path` by the name `file`.
fn open_mode(path: &Path, file: &Path, options: &StoreOptions, mode: AccessMode) -> Result<Connection, StoreError> {
    let config = || -> duckdb::Result<Config> {
        let mut config = Config::default()
            .access_mode(mode.clone())?
            .enable_autoload_extension(false)?
            .with("allow_community_extensions", "false")?
            .with("memory_limit", format!("{}MiB", options.memory_bytes >> 20))?
            // DuckDB's automatic checkpoints are avoided: the writer checkpoints after a compaction, when little is
            // left to write, or when the log is large.
            .with("checkpoint_threshold", "4GiB")?
            .with("default_block_size", BLOCK_BYTES)?;
        if options.threads > 0 {
            config = config.threads(i64::try_from(options.threads).unwrap_or(i64::MAX))?;
        }
        Ok(config)
    };
    let config = config().map_err(failed_to("configure DuckDB"))?;
    let connection = Connection::open_with_flags(file, config).map_err(|error| cannot_open(path, &error))?;
    register_functions(&connection)?;
    Ok(connection)
}

/// Disables file and network access, extensions and configuration for every later statement.
pub(in crate::store) fn lock_settings(connection: &Connection) -> Result<(), StoreError> {
    // `now()::TIMESTAMP` must be UTC like every stored timestamp. A DuckDB without time zones lacks the setting and
    // uses UTC anyway.
    let _ = connection.execute_batch("SET GLOBAL TimeZone = 'UTC'");
    connection
        .execute_batch(
            "SET enable_external_access = false; SET autoload_known_extensions = false;
             SET autoinstall_known_extensions = false; SET lock_configuration = true",
        )
        .map_err(failed_to("lock the settings of the database"))
}

/// Checks the file's headers. DuckDB would detect a truncated file only later, and for files of other databases it
/// suggests extensions to install.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Open { path: path.to_owned(), detail: kind(&error) };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // Opening a FIFO would wait for a writer, and DuckDB would write to a device.
        let what = if metadata.is_dir() { "the path is a folder" } else { "the path is a device, FIFO or socket" };
        return Err(StoreError::Open { path: path.to_owned(), detail: what.to_owned() });
    }
    let mut file = File::open(path).map_err(failed)?;
    let length = metadata.len();
    let mut headers = Vec::new();
    file.by_ref().take(HEADERS).read_to_end(&mut headers).map_err(failed)?;
    // The file starts with a checksum of 8 bytes, then the magic bytes.
    if headers.get(8..12) != Some(b"DUCK".as_slice()) {
        return Err(StoreError::NotDuckDb { path: path.to_owned() });
    }
    if length < HEADERS {
        return Err(damaged(path, length, HEADERS));
    }
    Ok(())
}

/// First bytes of a write-ahead log: field 100 has the value 98 (entry "WAL version"), field 101 is the version.
const LOG_HEAD: [u8; 5] = [0x64, 0x00, 0x62, 0x65, 0x00];

/// Maximum plausible size of a log's first entry, in bytes.
const LOG_ENTRY: u64 = 1 << 30;

/// Checks the first bytes of the write-ahead log. DuckDB treats an unreadable start as an interrupted first write and
/// silently discards the whole log.
fn check_log(path: &Path, log: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Open { path: log.to_owned(), detail: kind(&error) };
    let mut head = Vec::new();
    File::open(log).map_err(failed)?.take(16).read_to_end(&mut head).map_err(failed)?;
    let has_log_head = head.iter().zip(&LOG_HEAD).all(|(found, expected)| found == expected);
    // A power cut may leave zeros where the first entries were to be written.
    if !head.is_empty() && head.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let size = head.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    if has_log_head && size <= LOG_ENTRY {
        return Ok(());
    }
    let detail = format!("its log {} is not a DuckDB write-ahead log", log.display());
    Err(StoreError::Damaged { path: path.to_owned(), detail })
}

fn damaged(path: &Path, length: u64, expected: u64) -> StoreError {
    let detail = format!("the file has {length} bytes, expected at least {expected}");
    StoreError::Damaged { path: path.to_owned(), detail }
}

/// Checks that every used block is within the file; DuckDB detects a missing block only when it reads it.
///
/// The block count in the header cannot be used: free blocks at the end need not exist on disk.
fn check_blocks(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let unreadable = |error: duckdb::Error| cannot_open(path, &error);
    let mut statement = connection
        .prepare("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND NOT temporary")
        .map_err(unreadable)?;
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(unreadable)?;
    // A first start that was killed before the schema was created leaves a file without tables.
    let blocks = |table: &String| format!("SELECT max(block_id) AS block FROM pragma_storage_info('store.{table}')");
    let every: Vec<String> = std::iter::once("SELECT max(block_id) AS block FROM pragma_metadata_info()".to_owned())
        .chain(tables.iter().map(blocks))
        .collect();
    let (last, size): (Option<i64>, u64) = connection
        .query_row(
            &format!(
                "SELECT max(block), (SELECT block_size FROM pragma_database_size()) FROM ({})",
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
