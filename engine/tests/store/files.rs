//! Invalid and damaged files, other processes, full disks.
#![expect(clippy::print_stdout, reason = "a test that runs as a second process reports through its output")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::Command,
};

use almanac_engine::store::{Compaction, SampleBatch, Store, StoreError, StoreOptions};
use almanac_models::Timestamp;

use crate::support::{CHILD, Fresh, all, child, labels, put};

fn refused(path: &Path) -> String {
    let before = fs::read(path).ok();
    let message = Store::open(path, StoreOptions::default()).unwrap_err().to_string();
    assert_eq!(fs::read(path).ok(), before, "{message}: the file was changed");
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn files_that_are_not_a_store_are_rejected_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let not_ours = "is not an Almanac store: not a DuckDB database";
    for (name, bytes) in [
        ("junk", b"hello world".repeat(5_000).as_slice()),
        ("short", b"x"),
        ("empty", b""),
        ("sqlite", b"SQLite format 3\0".repeat(1_000).as_slice()),
    ] {
        let message = refused(&file(name, bytes));
        assert!(message.ends_with(not_ours), "{message}");
    }
    let message = refused(&folder.path().join("no/such/folder.duckdb"));
    assert!(message.starts_with("cannot open store") && message.ends_with("it does not exist"), "{message}");
    assert!(
        Store::open(folder.path(), StoreOptions::default()).unwrap_err().to_string().contains("the path is a folder")
    );
    assert!(Store::open(Path::new("/"), StoreOptions::default()).unwrap_err().to_string().contains("has no file name"));
}

#[cfg(unix)]
#[test]
fn a_fifo_or_a_device_is_rejected_without_being_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo.as_path(), Path::new("/dev/null")] {
        let message = Store::open(path, StoreOptions::default()).unwrap_err().to_string();
        assert!(message.ends_with("the path is a device, FIFO or socket"), "{message}");
    }
}

#[test]
fn a_first_start_that_was_killed_leaves_a_file_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.duckdb");
    // The file and its headers exist, the schema does not.
    duckdb::Connection::open(&path).unwrap().close().unwrap();
    assert!(path.metadata().unwrap().len() > 0);
    for _ in 0..2 {
        Store::open(&path, StoreOptions::default()).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_new_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let Fresh { store, path, folder } = Fresh::new();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop((store, folder));
}

#[test]
fn another_database_is_rejected_also_with_a_log_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.duckdb");
    let log = folder.path().join("other.duckdb.wal");
    let other = duckdb::Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA disable_checkpoint_on_shutdown; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(other);
    assert!(log.exists());
    let before = fs::read(&log).unwrap();
    assert!(refused(&path).ends_with("is a DuckDB database but not an Almanac store; the file was not changed"));
    assert_eq!(fs::read(&log).unwrap(), before);
    let again = duckdb::Connection::open(&path).unwrap();
    again.execute_batch("CREATE SCHEMA store; CREATE TABLE store.meta (x INTEGER)").unwrap();
    again.close().unwrap();
    assert!(refused(&path).contains("but not an Almanac store"));
}

#[test]
fn a_newer_schema_is_rejected() {
    let Fresh { store, path, folder } = Fresh::new();
    store.close().unwrap();
    let raw = duckdb::Connection::open(&path).unwrap();
    raw.execute_batch("UPDATE store.meta SET value = '99' WHERE key = 'schema_version'").unwrap();
    raw.close().unwrap();
    assert!(refused(&path).ends_with("has schema version 99, but this release supports up to 8; use a newer almanac"));
    drop(folder);
}

#[test]
fn truncated_and_damaged_files_are_rejected() {
    let Fresh { store, path, folder } = Fresh::new();
    put(&store, &[(&labels(&[("__name__", "up")]), 1, 1.0)]);
    store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
    store.close().unwrap();
    let whole = fs::read(&path).unwrap();
    for length in [12, 4_096, 12_287, 12_288, whole.len() / 2, whole.len() - 1] {
        let cut = folder.path().join(format!("cut{length}"));
        fs::write(&cut, &whole[..length]).unwrap();
        let message = refused(&cut);
        assert!(message.contains("is damaged or truncated ("), "{length}: {message}");
    }
    let mut broken = whole.clone();
    for byte in &mut broken[12_288..] {
        *byte ^= 0x55;
    }
    let path = folder.path().join("broken");
    fs::write(&path, broken).unwrap();
    let message = refused(&path);
    assert!(message.contains("is damaged or truncated (") && message.contains("Corrupt database file"), "{message}");
}

/// DuckDB silently discards a log with an unreadable start: acknowledged samples would be lost.
#[test]
fn a_log_with_an_invalid_start_is_rejected() {
    let fresh = Fresh::new();
    put(&fresh.store, &[(&labels(&[("__name__", "up")]), 1, 1.0)]);
    // A copy of an open store has the state after a power failure.
    let log = |path: &Path| path.with_extension("duckdb.wal");
    let (file, whole) = (fs::read(&fresh.path).unwrap(), fs::read(log(&fresh.path)).unwrap());
    let copy = fresh.folder.path().join("copy.duckdb");
    let write = |bytes: &[u8]| {
        fs::write(&copy, &file).unwrap();
        fs::write(log(&copy), bytes).unwrap();
    };
    for byte in [0, 3, 15] {
        let mut broken = whole.clone();
        broken[byte] ^= 0xff;
        write(&broken);
        let message = refused(&copy);
        assert!(message.contains("copy.duckdb.wal is not a DuckDB write-ahead log"), "{byte}: {message}");
        assert_eq!(fs::read(log(&copy)).unwrap(), broken, "the log was changed");
    }
    write(&whole);
    assert_eq!(all(&Store::open(&copy, StoreOptions::default()).unwrap())[0].values, [1.0]);
}

/// Free blocks at the end of the file are counted in its header but need not exist.
#[test]
fn a_store_opens_after_many_restarts() {
    let mut fresh = Fresh::new();
    for round in 0..12 {
        put(&fresh.store, &[(&labels(&[("__name__", &format!("m{round}"))]), round, 1.0)]);
        if round % 4 == 3 {
            fresh.store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
        }
        fresh = fresh.reopened();
    }
    assert_eq!(all(&fresh.store).len(), 12);
}

#[test]
fn the_same_file_is_not_opened_twice_in_one_process() {
    let fresh = Fresh::new();
    let message = Store::open(&fresh.path, StoreOptions::default()).unwrap_err().to_string();
    assert!(message.contains("is in use by another process (this very process)"), "{message}");
    #[cfg(unix)]
    {
        let link = fresh.folder.path().join("link.duckdb");
        std::os::unix::fs::symlink(&fresh.path, &link).unwrap();
        assert!(matches!(Store::open(&link, StoreOptions::default()), Err(StoreError::Locked { .. })));
    }
}

#[test]
fn a_second_process_gets_the_holder_of_the_store() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _store = Store::open(Path::new(&path), StoreOptions::default()).unwrap();
        println!("opened by {}.", std::process::id());
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let Fresh { store, path, folder } = Fresh::new();
    store.close().unwrap();
    let mut holder = child("files::a_second_process_gets_the_holder_of_the_store", &path, "").spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let output = lines.find(|line| line.contains("opened by")).unwrap();
    let process = output.split("opened by ").nth(1).unwrap().trim_end_matches('.');
    let message = refused(&path);
    let expected = format!("is in use by another process (process {process}); stop it, or query it with --url");
    assert!(message.ends_with(&expected), "{message}");
    holder.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(lines.count() > 0);
    assert!(holder.wait().unwrap().success());
    Store::open(&path, StoreOptions::default()).unwrap().close().unwrap();
    drop(folder);
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = Store::open(Path::new(&path), StoreOptions::default()).unwrap();
        let id = store.resolve(&labels(&[("__name__", "up")])).unwrap();
        for round in 0..10_000_i64 {
            let mut batch = SampleBatch::default();
            for t in 0..10_000 {
                batch.push(id, round * 10_000 + t, 1.0);
            }
            match store.append(batch).unwrap().wait() {
                Ok(_) => println!("acknowledged {}.", (round + 1) * 10_000),
                Err(error) => {
                    println!("refused: {error}");
                    return;
                }
            }
        }
        return;
    }
    let Fresh { store, path, folder } = Fresh::new();
    store.close().unwrap();
    // A limit on file sizes simulates a full disk: 4096 blocks of 512 bytes, with the signal ignored.
    let limits = "trap '' XFSZ; ulimit -f 4096;";
    let output = child("files::a_full_disk_is_reported_and_loses_nothing", &path, limits).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("refused: no space left on the disk of the store ("), "{text}");
    let number = |line: &str| line.split("acknowledged ").nth(1)?.trim_end_matches('.').parse::<usize>().ok();
    let acknowledged = text.lines().filter_map(number).max().unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    assert_eq!(found[0].timestamps.len(), acknowledged);
    put(&store, &[(&labels(&[("__name__", "up")]), i64::from(u32::MAX), 1.0)]);
    store.close().unwrap();
    drop(folder);
}
