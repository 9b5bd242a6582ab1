//! Starts after something went wrong: a torn or missing log, a moved file, a full disk, a damaged block.
#![expect(clippy::print_stdout, reason = "a test that runs as a second process reports through its output")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use almanac_engine::{
    series::{Matcher, SeriesSamples},
    store::{Compaction, Deletion, SampleBatch, Store, StoreError, StoreOptions},
};
use almanac_models::Timestamp;
use duckdb::Connection;

use crate::support::{CHILD, Fresh, all, child, labels, named, put};

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("duckdb.wal")
}

fn state_of(path: &Path) -> PathBuf {
    path.with_extension("duckdb.state")
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, StoreOptions::default())
}

fn rows(store: &Store) -> usize {
    all(store).iter().map(|series| series.timestamps.len()).sum()
}

/// A store with ten commits of 100 samples each in its log, copied while it was open: the state after a kill.
struct Killed {
    folder: tempfile::TempDir,
    path: PathBuf,
    log: Vec<u8>,
    /// Length of the log after each commit.
    ends: Vec<usize>,
}

impl Killed {
    fn new() -> Self {
        let fresh = Fresh::new();
        let up = labels(&[("__name__", "up")]);
        put(&fresh.store, &[(&up, 0, 0.5)]);
        fresh.store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
        let mut ends = Vec::new();
        for commit in 0..10_i64 {
            let samples: Vec<_> = (0..100).map(|n| (&up, 1 + commit * 100 + n, 1.0)).collect();
            put(&fresh.store, &samples);
            ends.push(usize::try_from(fresh.store.stats().wal_bytes).unwrap());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.duckdb");
        for (from, to) in [
            (fresh.path.clone(), path.clone()),
            (log_of(&fresh.path), log_of(&path)),
            (state_of(&fresh.path), state_of(&path)),
        ] {
            fs::copy(from, to).unwrap();
        }
        let log = fs::read(log_of(&path)).unwrap();
        Self { folder, path, log, ends }
    }

    /// Opens a copy with another log.
    fn with_log(&self, log: Option<&[u8]>) -> Result<Store, StoreError> {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let path = folder.join("copy.duckdb");
        fs::copy(&self.path, &path).unwrap();
        fs::copy(state_of(&self.path), state_of(&path)).unwrap();
        if let Some(log) = log {
            fs::write(log_of(&path), log).unwrap();
        }
        open(&path)
    }
}

#[test]
fn a_torn_tail_of_the_log_is_dropped_and_nothing_is_lost() {
    let killed = Killed::new();
    for tail in [&[][..], &[0; 1], &[0; 20_000], &[0xa5; 3_000], &killed.log[8..600], &killed.log[8..30]] {
        let store = killed.with_log(Some(&[&killed.log, tail].concat())).unwrap();
        assert_eq!((rows(&store), store.stats().samples_lost), (1_001, 0), "{} bytes", tail.len());
        // What is written afterwards is found by the next start.
        put(&store, &[(&labels(&[("__name__", "up")]), 5_000, 1.0)]);
        assert_eq!(rows(&store), 1_002);
    }
}

#[test]
fn a_log_that_is_missing_or_ends_early_is_told() {
    let killed = Killed::new();
    let check = |log: Option<&[u8]>, found: usize, lost: u64| {
        let store = killed.with_log(log).unwrap();
        assert_eq!((rows(&store), store.stats().samples_lost), (found, lost));
    };
    check(Some(&killed.log), 1_001, 0);
    check(None, 1, 1_000);
    check(Some(&[]), 1, 1_000);
    check(Some(&[0; 4_000]), 1, 1_000);
    check(Some(&killed.log[..killed.ends[3]]), 401, 600);
    check(Some(&killed.log[..killed.ends[3] + 50]), 401, 600);
    // Zeros from the fifth commit on.
    let mut zeros = killed.log.clone();
    zeros[killed.ends[4]..].fill(0);
    check(Some(&zeros), 501, 500);
}

#[test]
fn a_store_that_was_closed_needs_no_log() {
    let fresh = Fresh::new();
    put(&fresh.store, &[(&labels(&[("__name__", "up")]), 1, 1.0)]);
    let fresh = fresh.reopened();
    assert_eq!((rows(&fresh.store), fresh.store.stats().samples_lost), (1, 0));
    // Neither does one without a side file, as earlier releases leave it.
    let Fresh { store, path, folder } = fresh;
    store.close().unwrap();
    fs::remove_file(state_of(&path)).unwrap();
    assert_eq!(open(&path).unwrap().stats().samples_lost, 0);
    // Nor one that another program has written a checkpoint of.
    let raw = duckdb::Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE store.other (a INTEGER); INSERT INTO store.other VALUES (1); CHECKPOINT").unwrap();
    raw.close().unwrap();
    assert_eq!(open(&path).unwrap().stats().samples_lost, 0);
    drop(folder);
}

#[test]
fn an_older_copy_of_the_file_is_told() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 1, 1.0)]);
    let Fresh { store, path, folder } = fresh.reopened();
    store.close().unwrap();
    let old = fs::read(&path).unwrap();
    let store = open(&path).unwrap();
    put(&store, &[(&up, 2, 1.0), (&up, 3, 1.0)]);
    store.close().unwrap();
    fs::write(&path, old).unwrap();
    let store = open(&path).unwrap();
    assert_eq!((rows(&store), store.stats().samples_lost), (1, 2));
    drop(folder);
}

#[test]
fn damage_within_the_log_is_refused_and_located() {
    let killed = Killed::new();
    let mut broken = killed.log.clone();
    broken[killed.ends[4] + 60] ^= 0x10;
    let message = killed.with_log(Some(&broken)).unwrap_err().to_string();
    assert!(message.contains("copy.duckdb.wal is damaged at byte"), "{message}");
    assert!(message.contains("and 5 committed transactions follow"), "{message}");
}

/// DuckDB removes a log without a database file.
#[test]
fn a_log_without_its_file_is_refused_and_kept() {
    let killed = Killed::new();
    fs::remove_file(&killed.path).unwrap();
    let message = open(&killed.path).unwrap_err().to_string();
    assert!(message.contains("copy.duckdb.wal is there, but the file is not"), "{message}");
    assert_eq!(fs::read(log_of(&killed.path)).unwrap(), killed.log);
    assert!(!killed.path.exists());
}

/// DuckDB follows a link to the file, and so do the log and everything beside it.
#[cfg(unix)]
#[test]
fn a_link_to_a_store_is_the_store() {
    let (folder, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, link) = (folder.path().join("real.duckdb"), links.path().join("link.duckdb"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let up = labels(&[("__name__", "up")]);
    // The first opening creates the file.
    for round in 0..2 {
        let store = open(&link).unwrap();
        put(&store, &[(&up, round, 0.5)]);
        assert!(store.stats().wal_bytes > 0);
        assert!(log_of(&path).exists() && state_of(&path).exists());
        assert_eq!(fs::read_dir(links.path()).unwrap().count(), 1);
        // As after a kill that lost the log.
        let copy = tempfile::tempdir().unwrap();
        let (copied, copied_link) = (copy.path().join("real.duckdb"), copy.path().join("link.duckdb"));
        fs::copy(&path, &copied).unwrap();
        fs::copy(state_of(&path), state_of(&copied)).unwrap();
        std::os::unix::fs::symlink(&copied, &copied_link).unwrap();
        let lacking = open(&copied_link).unwrap();
        assert_eq!(lacking.stats().samples_lost, 1, "round {round}");
        lacking.close().unwrap();
        store.close().unwrap();
    }
    assert_eq!(rows(&open(&path).unwrap()), 2);
}

#[cfg(unix)]
/// The log is bounded without a compaction, so that an opening has little to read again.
#[test]
fn a_checkpoint_is_written_when_the_log_is_large() {
    let fresh = Fresh::with(StoreOptions { log_bytes: 100_000, ..StoreOptions::default() });
    let one = labels(&[("__name__", "load")]);
    let mut largest = 0;
    for round in 0..40 {
        let samples: Vec<_> = (0..500).map(|step| (&one, round * 500 + step, 1.0)).collect();
        put(&fresh.store, &samples);
        largest = largest.max(fresh.store.stats().wal_bytes);
    }
    // The last group's checkpoint may still be written.
    assert!((50_000..130_000).contains(&largest), "{largest}");
    assert_eq!(rows(&fresh.store), 20_000);
    assert_eq!(fresh.store.stats().compactions, 0);
    assert_eq!(rows(&fresh.reopened().store), 20_000);
}

/// An opening with many recent samples loads their spans, and the samples afterwards.
#[test]
fn an_opening_that_loads_samples_later_answers_alike() {
    let names: Vec<_> = (0..40).map(|pod| labels(&[("__name__", "load"), ("pod", &pod.to_string())])).collect();
    let mut expected: BTreeMap<(usize, i64), f64> = BTreeMap::new();
    let mut write = |store: &Store, samples: &[(usize, i64, f64)]| {
        expected.extend(samples.iter().map(|&(pod, at, value)| ((pod, at), value)));
        put(store, &samples.iter().map(|&(pod, at, value)| (&names[pod], at, value)).collect::<Vec<_>>());
        expected.clone()
    };
    let stored = |store: &Store| -> BTreeMap<(usize, i64), f64> {
        let of = |series: &SeriesSamples| -> Vec<((usize, i64), f64)> {
            let pod = series.labels.get("pod").unwrap().parse().unwrap();
            series.timestamps.iter().map(|at| (pod, *at)).zip(series.values.iter().copied()).collect()
        };
        all(store).iter().flat_map(of).collect()
    };
    let steps = |from: i64, until: i64| -> Vec<(usize, i64, f64)> {
        (from..until).flat_map(|step| (0..40).map(move |pod| (pod, step * 1_000, (step % 7) as f64))).collect()
    };
    let mut fresh = Fresh::new();
    write(&fresh.store, &steps(0, 100));
    fresh.store.compact(Timestamp::from_millis(100_000), Compaction::All).unwrap();
    write(&fresh.store, &steps(100, 300));
    for round in 0..6 {
        let at = 300_000 + i64::from(round) * 10_000;
        // New, repeated and late samples: of cold ones, of hot ones and between them.
        let mut now =
            write(&fresh.store, &[(3, 50_000, -1.0), (3, 250_000, at as f64), (4, 250_500 + at, -3.0), (5, at, 8.0)]);
        for loaded_rows in [0, 1_000_000] {
            fresh = fresh.reopened_with(StoreOptions { loaded_rows, ..StoreOptions::default() });
            assert_eq!(stored(&fresh.store), now, "round {round}, {loaded_rows}");
            now = write(&fresh.store, &[(5, at, 9.0), (6, 120_500 + at, 1.0), (7, 299_000, 5.0), (8, at + 1, 6.0)]);
            assert_eq!(stored(&fresh.store), now, "round {round}, {loaded_rows}");
        }
    }
}

/// After an opening the newest samples of compacted segments are loaded, with late versions of them, and later writes find them.
#[test]
fn the_newest_compacted_samples_are_loaded_after_an_opening() {
    const MINUTE: i64 = 60_000;
    let one = labels(&[("__name__", "load"), ("pod", "1")]);
    let old = labels(&[("__name__", "load"), ("pod", "old")]);
    let fresh = Fresh::new();
    let samples: Vec<_> = (0..600).map(|step| (&one, step * MINUTE, step as f64)).collect();
    put(&fresh.store, &samples);
    put(&fresh.store, &[(&old, 0, 1.0)]);
    let now = Timestamp::from_millis(600 * MINUTE);
    fresh.store.compact(now, Compaction::All).unwrap();
    put(&fresh.store, &[(&one, 590 * MINUTE, -1.0)]);
    let fresh = fresh.reopened();
    assert_eq!(fresh.store.stats().samples_recent, 0);
    fresh.store.load_older(now, 90 * MINUTE);
    let deadline = Instant::now() + Duration::from_secs(60);
    while fresh.store.stats().samples_recent == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // From 90 minutes before the newest sample on.
    assert_eq!(fresh.store.stats().samples_recent, 91);
    let last_hour = || named(&fresh.store, "load", 540 * MINUTE, 600 * MINUTE).remove(0).values;
    let mut expected: Vec<f64> = (540..600).map(f64::from).collect();
    expected[50] = -1.0;
    assert_eq!(last_hour(), expected);
    let repeated = put(&fresh.store, &[(&one, 580 * MINUTE, 580.0), (&one, 581 * MINUTE, -2.0)]);
    assert_eq!((repeated.written, repeated.unchanged), (1, 1), "memory knows the compacted samples");
    expected[41] = -2.0;
    assert_eq!(last_hour(), expected);
    assert_eq!(
        named(&fresh.store, "load", 0, 600 * MINUTE).iter().map(|series| series.values.len()).sum::<usize>(),
        601
    );
    let until = Some(Timestamp::from_millis(595 * MINUTE));
    let what = Deletion { matchers: vec![Matcher::equal("pod", "1")], from: None, until, dry_run: false };
    fresh.store.delete(&what).unwrap();
    assert_eq!(last_hour(), [596.0, 597.0, 598.0, 599.0]);
}

/// Waits until the loader that was started has put samples into memory, and returns how many there are once the number stays.
fn loaded(store: &Store) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut before = 0;
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        let now = store.stats().samples_recent;
        if now > 0 && now == before {
            return now;
        }
        before = now;
    }
    before
}

/// A wrong estimate of the samples in a time, by one sample of years before, shortens the time and never passes the bound.
#[test]
fn what_an_opening_loads_stays_within_its_memory() {
    const MINUTE: i64 = 60_000;
    let names: Vec<_> = (0..20).map(|pod| labels(&[("__name__", "load"), ("pod", &pod.to_string())])).collect();
    for first in [0, -1_000_000 * MINUTE] {
        let fresh = Fresh::new();
        put(&fresh.store, &[(&names[0], first, 1.0)]);
        let samples: Vec<_> =
            (1..600).flat_map(|step| names.iter().map(move |one| (one, step * MINUTE, step as f64))).collect();
        put(&fresh.store, &samples);
        fresh.store.compact(Timestamp::from_millis(600 * MINUTE), Compaction::All).unwrap();
        // Room for 3,584 samples, of which 896 may come from an opening; 90 minutes have 1,820.
        let fresh = fresh.reopened_with(StoreOptions { recent_bytes: 64 << 10, ..StoreOptions::default() });
        fresh.store.load_older(Timestamp::from_millis(600 * MINUTE), 90 * MINUTE);
        let held = loaded(&fresh.store);
        assert!((400..=896).contains(&held), "{held} from {first}");
        assert_eq!(all(&fresh.store).iter().map(|series| series.values.len()).sum::<usize>(), 20 * 599 + 1);
    }
}

#[test]
fn a_store_whose_folder_is_moved_takes_no_writes_until_it_is_back() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, moved) = (outer.path().join("data"), outer.path().join("moved"));
    fs::create_dir(&folder).unwrap();
    let store = open(&folder.join("a.duckdb")).unwrap();
    let up = labels(&[("__name__", "up")]);
    let id = store.resolve(&up).unwrap();
    let write = |at: i64| {
        let mut batch = SampleBatch::default();
        batch.push(id, at, 1.0);
        store.append(batch).unwrap().wait()
    };
    write(1).unwrap();
    assert_eq!(store.unready(), None);
    fs::rename(&folder, &moved).unwrap();
    for at in 2..50 {
        assert!(matches!(write(at), Err(StoreError::Moved { .. })), "{at}");
    }
    let reason = store.unready().unwrap();
    assert!(reason.contains("a.duckdb") && reason.contains("it was removed or moved"), "{reason}");
    assert!(matches!(store.compact(Timestamp::from_millis(0), Compaction::All), Err(StoreError::Moved { .. })));
    assert_eq!(rows(&store), 1, "reads go on");
    // Another file in its place is not written either.
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.duckdb"), "x").unwrap();
    assert!(store.unready().unwrap().contains("another file is in its place"));
    assert!(matches!(write(50), Err(StoreError::Moved { .. })));
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&moved, &folder).unwrap();
    assert_eq!(store.unready(), None);
    write(51).unwrap();
    store.close().unwrap();
    assert_eq!(rows(&open(&folder.join("a.duckdb")).unwrap()), 2);
}

#[cfg(unix)]
#[test]
fn a_log_that_is_removed_while_it_is_used_loses_nothing() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 1, 1.0)]);
    for (round, at) in (10..13).enumerate() {
        fs::remove_file(log_of(&fresh.path)).unwrap();
        put(&fresh.store, &[(&up, at, 1.0)]);
        // A kill now would leave these files.
        let copy = fresh.folder.path().join(format!("copy{round}.duckdb"));
        fs::copy(&fresh.path, &copy).unwrap();
        if log_of(&fresh.path).exists() {
            fs::copy(log_of(&fresh.path), log_of(&copy)).unwrap();
        }
        assert_eq!(rows(&open(&copy).unwrap()), 2 * round + 2);
        put(&fresh.store, &[(&up, at + 100, 1.0)]);
    }
}

/// A limit on file sizes of less than the log simulates a disk without space.
#[test]
fn a_store_opens_on_a_full_disk_and_serves_reads() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path)).unwrap();
        println!("read {}.", rows(&store));
        let id = store.resolve(&labels(&[("__name__", "up")])).unwrap();
        let mut batch = SampleBatch::default();
        batch.push(id, 10_000_000, 1.0);
        let refused = store.append(batch).unwrap().wait().unwrap_err();
        println!("refused: {refused}.");
        println!("read {}.", rows(&store));
        return;
    }
    let fresh = Fresh::new();
    let id = fresh.store.resolve(&labels(&[("__name__", "up")])).unwrap();
    for part in 0..3_i64 {
        let mut batch = SampleBatch::default();
        (0..30_000).for_each(|t| batch.push(id, part * 30_000 + t, 1.0));
        fresh.store.append(batch).unwrap().wait().unwrap();
    }
    let copy = fresh.folder.path().join("copy.duckdb");
    fs::copy(&fresh.path, &copy).unwrap();
    fs::copy(log_of(&fresh.path), log_of(&copy)).unwrap();
    // 512 blocks of 512 bytes, a sixth of the log.
    let limits = "trap '' XFSZ; ulimit -f 512;";
    let output = child("recovery::a_store_opens_on_a_full_disk_and_serves_reads", &copy, limits).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("read 90000.").count(), 2, "{text}");
    assert!(text.contains("refused: no space left on the disk of the store ("), "{text}");
    let store = open(&copy).unwrap();
    assert_eq!((rows(&store), store.stats().samples_lost), (90_000, 0));
}

/// Changes a bit in the last block of the file that the cold segment of a closed store uses.
fn damage_last_block(path: &Path) {
    let raw = Connection::open(path).unwrap();
    let table: String = raw
        .query_row("SELECT 'store.cold_' || segment_id FROM store.segments WHERE kind = 'cold'", [], |row| row.get(0))
        .unwrap();
    let block: usize = raw
        .query_row(&format!("SELECT max(block_id) FROM pragma_storage_info('{table}')"), [], |row| row.get(0))
        .unwrap();
    raw.close().unwrap();
    // Three headers of 4 KiB precede the blocks of 64 KiB.
    let mut bytes = fs::read(path).unwrap();
    bytes[3 * 4_096 + block * 65_536 + 32_000] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_block_is_told_apart_and_counted() {
    let Fresh { store, path, folder } = Fresh::new();
    let id = store.resolve(&labels(&[("__name__", "up")])).unwrap();
    let mut batch = SampleBatch::default();
    let mut noise = 1_u64;
    for t in 0..200_000 {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        batch.push(id, t, f64::from_bits(noise >> 12 | 0x3ff0_0000_0000_0000));
    }
    store.append(batch).unwrap().wait().unwrap();
    store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
    store.close().unwrap();
    damage_last_block(&path);
    let store = open(&path).unwrap();
    let error = store.select_samples().unwrap_err();
    assert!(matches!(error, StoreError::DamagedBlock { .. }), "{error:?}");
    assert!(!error.to_string().contains('\n'));
    assert!(store.stats().damaged_blocks >= 1);
    // Writes go on, and a load of older samples counts the damage and ends.
    put(&store, &[(&labels(&[("__name__", "down")]), 1, 1.0)]);
    let before = store.stats().damaged_blocks;
    store.load_older(Timestamp::from_millis(200_000), 200_000);
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.stats().damaged_blocks == before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(store.stats().damaged_blocks, before + 1);
    drop(folder);
}

/// Reads all samples; the trait wraps the store's error.
trait SelectSamples {
    fn select_samples(&self) -> Result<usize, StoreError>;
}

impl SelectSamples for Store {
    fn select_samples(&self) -> Result<usize, StoreError> {
        use almanac_engine::series::{SampleSource, SourceError};
        match self.select(&[], i64::MIN, i64::MAX, usize::MAX) {
            Ok(found) => Ok(found.len()),
            Err(SourceError::Store(error)) => Err(*error.downcast::<StoreError>().unwrap()),
            Err(other) => panic!("{other}"),
        }
    }
}
