//! Repairs of sound stores, of earlier releases, and of what is no store.

use std::fs;

use almanac_engine::store::{SqlLimits, Store, StoreError, StoreOptions};
use arrow::util::pretty::pretty_format_batches;

use super::{BLOCK, HEADERS, Stopped, samples, what};
use crate::versions::unpacked;

#[test]
fn a_sound_store_is_saved_as_a_whole() {
    let stopped = Stopped::new();
    let repaired = stopped.repaired(&stopped.bytes).unwrap();
    assert_eq!((repaired.report.lost.as_slice(), repaired.report.corrected), ([].as_slice(), 0));
    assert_eq!(repaired.check(&stopped.samples, "sound"), 0);
    assert_eq!(repaired.report.samples, stopped.samples.len() as u64 + 250, "late rows are counted too");
    let rows = |table: &str| repaired.report.tables.iter().find(|found| found.name == table).map(|found| found.rows);
    assert_eq!((rows("anomalies"), rows("deploys"), rows("series")), (Some(20_000), Some(10), Some(40)));
    assert!(rows("rollup_1h").is_some());
    assert_eq!(repaired.ask("SELECT value::BIGINT FROM store.meta WHERE key = 'next_series_id'"), 77);
    // Again, of the repaired store.
    let bytes = fs::read(&repaired.path).unwrap();
    let again = stopped.repaired(&bytes).unwrap();
    assert_eq!((again.check(&stopped.samples, "again"), again.report.lost.as_slice()), (0, [].as_slice()));
}

#[test]
fn stores_of_earlier_releases_are_repaired_as_they_are_opened() {
    let text = |store: &Store| {
        let mut all = String::new();
        for sql in [
            "SELECT series_id, count(*), sum(value), min(timestamp), max(timestamp) FROM samples GROUP BY ALL ORDER BY 1",
            "SELECT * FROM rollups_1h ORDER BY ALL LIMIT 500",
            "SELECT * FROM signals ORDER BY ALL",
            "SELECT * FROM recommendations ORDER BY ALL",
            "SELECT * FROM histograms ORDER BY ALL LIMIT 500",
            "SELECT * FROM series ORDER BY ALL",
        ] {
            let answer = store.analyst_sql(sql, &[], SqlLimits::default()).unwrap();
            all.push_str(&pretty_format_batches(&answer.batches).unwrap().to_string());
        }
        all
    };
    for name in ["store_v1.duckdb", "store_v3.duckdb", "store_v4.duckdb", "store_v5.duckdb", "store_v7.duckdb"] {
        let folder = tempfile::tempdir().unwrap();
        let path = if name == "store_v1.duckdb" {
            let path = folder.path().join(name);
            let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            fs::copy(fixtures.join(name), &path).unwrap();
            path
        } else {
            unpacked(name, folder.path())
        };
        let before = fs::read(&path).unwrap();
        let new = folder.path().join("new.duckdb");
        let report = Store::repair(&path, &new, &StoreOptions::default(), &mut |_, _, _| ()).unwrap();
        assert_eq!((what(&report.lost), report.corrected), (Vec::new(), 0), "{name}");
        assert!(fs::read(&path).unwrap() == before);
        let (old, new) = (open(&path), open(&new));
        assert_eq!(samples(&old), samples(&new), "{name}");
        assert_eq!(text(&old), text(&new), "{name}");
        assert_eq!(new.check(|_, _| ()).unwrap().damaged, [], "{name}");
    }
}

fn open(path: &std::path::Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

#[test]
fn what_is_no_store_is_refused_in_one_line() {
    let stopped = Stopped::new();
    let refused = |bytes: &[u8], expected: &str| {
        let message = stopped.repaired(bytes).err().unwrap().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    };
    refused(b"", "nothing can be saved of");
    refused(b"hello", "it has 5 bytes, less than its header");
    refused(&[0; HEADERS + BLOCK], "is not an Almanac store");
    refused(&vec![0x5a; HEADERS + 3 * BLOCK], "is not an Almanac store");
    let other = stopped.folder.path().join("other.duckdb");
    let raw = duckdb::Connection::open(&other).unwrap();
    raw.execute_batch("CREATE TABLE t AS SELECT 1 AS a; CHECKPOINT").unwrap();
    raw.close().unwrap();
    let foreign = fs::read(&other).unwrap();
    fs::remove_file(&other).unwrap();
    refused(&foreign, "is a DuckDB database but not an Almanac store");
    // Neither is a store that is open, and a new one must not be there.
    fs::write(&stopped.path, &stopped.bytes).unwrap();
    let store = open(&stopped.path);
    let repair = |to: &str| {
        Store::repair(&stopped.path, &stopped.folder.path().join(to), &StoreOptions::default(), &mut |_, _, _| ())
    };
    assert!(matches!(repair("a.duckdb"), Err(StoreError::Locked { .. })));
    store.close().unwrap();
    fs::write(stopped.folder.path().join("b.duckdb"), "mine").unwrap();
    assert!(matches!(repair("b.duckdb"), Err(StoreError::Exists { .. })));
    assert_eq!(fs::read_to_string(stopped.folder.path().join("b.duckdb")).unwrap(), "mine");
    assert!(!stopped.folder.path().join("a.duckdb").exists());
}
