//! `almanac repair`: what is sound in a damaged store is saved, nothing else, and the damaged files are not changed.

mod damage;
mod files;
mod log;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use almanac_engine::store::{Compaction, Damage, RepairReport, SampleBatch, Store, StoreError, StoreOptions};
use almanac_models::Timestamp;
use duckdb::Connection;
use tempfile::TempDir;

use crate::support::{all, labels};

/// Bytes before the first block of a file, and of a block.
const HEADERS: usize = 3 * 4_096;
const BLOCK: usize = 65_536;

/// Samples by the text of their series and their timestamp, as bits.
type Samples = HashMap<(String, i64), u64>;

fn samples(store: &Store) -> Samples {
    let mut found = Samples::new();
    for series in all(store) {
        let name = series.labels.to_string();
        for (at, value) in series.timestamps.iter().zip(&series.values) {
            assert_eq!(found.insert((name.clone(), *at), value.to_bits()), None, "{name} at {at} is there twice");
        }
    }
    found
}

/// A stopped store, with what it contains.
struct Stopped {
    folder: TempDir,
    path: PathBuf,
    samples: Samples,
    /// Samples before late ones replaced some of them.
    earlier: Samples,
    /// The file.
    bytes: Vec<u8>,
}

/// Returns numbers without a pattern.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 20
    }
}

/// Appends samples whose values are noise, so that they fill blocks of the file.
fn append(store: &Store, series: std::ops::Range<i32>, times: std::ops::Range<i64>, seed: u64) {
    let mut next = noise(seed);
    let mut batch = SampleBatch::default();
    for idx in series {
        let id = store.resolve(&labels(&[("__name__", "load"), ("pod", &idx.to_string())])).unwrap();
        for at in times.clone() {
            batch.push(id, at * 1_000, f64::from_bits(next() & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000));
        }
    }
    store.append(batch).unwrap().wait().unwrap();
}

impl Stopped {
    /// A store with cold blocks, hot rows, late rows and rows of other tables.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.duckdb");
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        append(&store, 0..24, 0..4_000, 1);
        store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
        append(&store, 0..40, 4_000..4_500, 2);
        let earlier = samples(&store);
        append(&store, 5..10, 3_900..3_950, 3);
        let samples = samples(&store);
        store.close().unwrap();
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(
            "INSERT INTO store.anomalies (signal, timestamp, value, yhat, yhat_lower, yhat_upper, score, kind)
                 SELECT 'load ' || i % 7, make_timestamp_ms(i * 60000), random(), random(), 0, 1, random(), 'level' FROM range(20000) r(i);
             INSERT INTO store.deploys (seq, timestamp, service, version)
                 SELECT i, make_timestamp_ms(i), 'api', 'v' || i FROM range(10) r(i);
             INSERT INTO store.meta VALUES ('next_series_id', '77');
             CHECKPOINT",
        )
        .unwrap();
        raw.close().unwrap();
        let bytes = fs::read(&path).unwrap();
        Self { folder, path, samples, earlier, bytes }
    }

    /// Runs SQL on the sound file.
    fn ask<T: duckdb::types::FromSql>(&self, sql: &str) -> Vec<T> {
        fs::write(&self.path, &self.bytes).unwrap();
        let config = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly).unwrap();
        let raw = Connection::open_with_flags(&self.path, config).unwrap();
        let mut statement = raw.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Returns the name of the cold segment's table.
    fn cold(&self) -> String {
        self.ask::<String>("SELECT 'store.cold_' || segment_id FROM store.segments WHERE kind = 'cold'").remove(0)
    }

    /// Returns the position in the file of a block of a column, the `nth` of those that are only of this column.
    fn block_of(&self, table: &str, column: &str, nth: usize) -> usize {
        let blocks: Vec<i64> = self.ask(&format!(
            "SELECT block_id FROM pragma_storage_info('{table}') WHERE block_id >= 0
             GROUP BY block_id HAVING bool_and(column_name = '{column}' AND block_offset = 0) AND max(count) > 1 ORDER BY 1"
        ));
        HEADERS + usize::try_from(blocks[nth.min(blocks.len() - 1)]).unwrap() * BLOCK
    }

    /// Repairs a file with these bytes; checks that it is not changed and that nothing but the new store is left.
    fn repaired(&self, bytes: &[u8]) -> Result<Repaired, StoreError> {
        fs::write(&self.path, bytes).unwrap();
        let path = self.folder.path().join("new.duckdb");
        for end in ["", ".state", ".wal"] {
            let _ = fs::remove_file(format!("{}{end}", path.display()));
        }
        let before = listing(self.folder.path());
        let mut stages = Vec::new();
        let report = Store::repair(&self.path, &path, &StoreOptions::default(), &mut |stage, done, total| {
            assert!(done <= total);
            stages.push(stage);
        });
        assert!(fs::read(&self.path).unwrap() == bytes, "the damaged file was changed");
        let mut after = listing(self.folder.path());
        after.retain(|(name, _)| name != "new.duckdb");
        assert_eq!(after, before);
        let report = report.inspect_err(|_| assert!(!path.exists()))?;
        assert!(stages.is_sorted_by_key(|stage| *stage as u8));
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        assert_eq!(store.check(|_, _| ()).unwrap().damaged, []);
        let samples = samples(&store);
        assert_eq!(store.stats().series, report.series);
        store.close().unwrap();
        Ok(Repaired { report, samples, path })
    }
}

/// Returns the names and sizes of the files in a folder.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    };
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(entry).collect();
    all.sort();
    all
}

/// What a repair has saved.
struct Repaired {
    report: RepairReport,
    samples: Samples,
    path: PathBuf,
}

impl Repaired {
    /// Returns the lost samples that the report counts by series.
    fn counted(&self) -> u64 {
        self.report.lost.iter().filter_map(|damage| damage.samples).map(|(_, _, count)| count).sum()
    }

    fn ask(&self, sql: &str) -> i64 {
        let raw = Connection::open(&self.path).unwrap();
        raw.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Checks that every saved sample is one of the original, and that the report agrees with what is missing.
    fn check(&self, original: &Samples, what: &str) -> usize {
        self.check_with(original, original, what)
    }

    /// Does the same, where a late sample that is lost gives way to the `earlier` one.
    fn check_with(&self, original: &Samples, earlier: &Samples, what: &str) -> usize {
        let (mut unnamed, mut is_changed) = (0, false);
        for (key, bits) in &self.samples {
            if key.0.starts_with("almanac_unnamed_series") {
                unnamed += 1;
                continue;
            }
            is_changed |= original.get(key) != Some(bits);
            let is_known = [original, earlier].iter().any(|all| all.get(key) == Some(bits));
            assert!(is_known, "{what}: {key:?} is {bits:x}, was {:x?}", original.get(key));
        }
        let missing = original.len() - self.samples.len();
        assert_eq!(unnamed == 0, self.report.unnamed == 0, "{what}");
        assert!((missing == 0 && !is_changed) || !self.report.lost.is_empty(), "{what}: {missing} samples are missing");
        missing
    }
}

fn what(damages: &[Damage]) -> Vec<&str> {
    damages.iter().map(|damage| damage.what.as_str()).collect()
}
