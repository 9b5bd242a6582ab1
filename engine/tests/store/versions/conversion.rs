//! The conversion of rows into blocks, with which a store of schema version 7 opens.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use almanac_engine::{
    series::SampleSource,
    store::{Compaction, OnConversion, SqlLimits, Store, StoreOptions},
};
use almanac_models::Timestamp;
use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type},
};

use super::unpacked;
use crate::support::{all, labels, named, put};

/// Buckets as (series, start in epoch milliseconds, numbers).
type Buckets = Vec<(i64, i64, Vec<f64>)>;

const NUMBERS: &str = "count::DOUBLE, sum, min, max, last";

/// Reads the buckets of 5 minutes that the earlier release has stored.
fn stored(path: &Path) -> Buckets {
    let connection = duckdb::Connection::open(path).unwrap();
    let sql = format!("SELECT series_id::BIGINT, epoch_ms(timestamp), {NUMBERS} FROM store.rollup_5m ORDER BY 1, 2");
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let numbers = (2..7).map(|column| row.get(column)).collect::<duckdb::Result<Vec<f64>>>()?;
        Ok((row.get(0)?, row.get(1)?, numbers))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn computed(store: &Store) -> Buckets {
    let sql = format!("SELECT series_id::BIGINT, epoch_ms(timestamp), {NUMBERS} FROM rollups_5m ORDER BY 1, 2");
    let answer = store.analyst_sql(&sql, &[], SqlLimits { rows: 100_000, ..SqlLimits::default() }).unwrap();
    let mut buckets = Vec::new();
    for batch in &answer.batches {
        let whole = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        let number = |column: usize, row: usize| batch.column(column).as_primitive::<Float64Type>().value(row);
        for row in 0..batch.num_rows() {
            buckets.push((whole(0, row), whole(1, row), (2..7).map(|column| number(column, row)).collect()));
        }
    }
    buckets
}

fn assert_same(found: &Buckets, expected: &Buckets) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((found.0, found.1), (expected.0, expected.1));
        for (found, expected) in found.2.iter().zip(&expected.2) {
            let is_same = found.to_bits() == expected.to_bits()
                || (found.is_nan() && expected.is_nan())
                || (found - expected).abs() <= 1e-9 * expected.abs();
            assert!(is_same, "{found} {expected}");
        }
    }
}

#[test]
fn the_buckets_of_five_minutes_are_those_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v7.duckdb", folder.path());
    let before = stored(&path);
    assert!(before.len() > 8_000);
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_same(&computed(&store), &before);
    store.close().unwrap();
    // None is stored, since every sample is still there.
    assert_eq!(stored(&path), []);
}

/// Samples that have expired live on in their buckets; the bucket in which the samples begin has a part of both.
#[test]
fn buckets_of_expired_samples_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v7.duckdb", folder.path());
    let before = stored(&path);
    let raw = duckdb::Connection::open(&path).unwrap();
    // As retention does: the samples of the first day go, at a time within a bucket.
    let cut = "TIMESTAMP_MS '2026-01-02 00:02:13'";
    raw.execute_batch(&format!("DELETE FROM store.cold_11 WHERE timestamp < {cut}")).unwrap();
    let (rows, min): (u64, i64) = raw
        .query_row("SELECT count(*), epoch_ms(min(timestamp)) FROM store.cold_11", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    raw.execute_batch(&format!("UPDATE store.segments SET rows = {rows}, min_ms = {min} WHERE segment_id = 11"))
        .unwrap();
    raw.close().unwrap();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_same(&computed(&store), &before);
    store.close().unwrap();
    let kept = stored(&path).len();
    assert!(kept > 1_000 && kept < before.len(), "{kept}");
}

/// A segment that cannot be read as a whole stays as it is: what can be read is read, and new samples are taken and compacted.
#[test]
fn a_segment_with_a_damaged_block_stays_as_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked("store_v7.duckdb", folder.path());
    // The schema is migrated, which reads the samples too; then the conversion ends.
    let on_conversion = OnConversion::new(|_, _| panic!("interrupted"));
    let options = StoreOptions { on_conversion, ..StoreOptions::default() };
    assert!(catch_unwind(AssertUnwindSafe(|| Store::open(&path, options))).is_err());
    let raw = duckdb::Connection::open(&path).unwrap();
    // Noise that fills blocks of the file which no other column shares.
    raw.execute_batch(
        "INSERT INTO store.rows_11 SELECT 0, make_timestamp_ms(1760000000000 + place)::TIMESTAMP_MS, random()
             FROM range(300000) AS noise(place);
         UPDATE store.segments SET rows = 340314, min_ms = 1760000000000 WHERE segment_id = 11; CHECKPOINT",
    )
    .unwrap();
    let (block, size): (u64, u64) = raw
        .query_row(
            "SELECT (SELECT max(block_id) FROM pragma_storage_info('store.rows_11')
                     WHERE column_name = 'value' AND segment_type = 'DOUBLE' AND block_id >= 0),
                 (SELECT block_size FROM pragma_database_size())",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    raw.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // Three headers are before the first block, and a checksum before its contents.
    let place = usize::try_from(3 * 4_096 + block * size + 500).unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        assert!(store.stats().samples_cold >= 340_314);
        assert!(store.select(&[], i64::MIN, i64::MAX, usize::MAX).is_err());
        let up = labels(&[("__name__", "after")]);
        // Both late and new samples are compacted beside it.
        put(&store, &[(&up, 2_000_000_000_000, 1.0), (&up, 1_900_000_000_000, 2.0)]);
        put(&store, &[(&up, 1_900_000_000_000, 3.0)]);
        store.compact(Timestamp::from_millis(2_000_000_000_000), Compaction::Due).unwrap();
        store.compact(Timestamp::from_millis(2_000_010_000_000), Compaction::Due).unwrap();
        let found = named(&store, "after", 1_800_000_000_000, 2_100_000_000_000);
        assert_eq!(found[0].values, [3.0, 1.0]);
        // Only the labels and times of the damaged part can be read.
        let count = store.analyst_sql("SELECT count(timestamp) FROM rollups_1h", &[], SqlLimits::default());
        assert!(count.is_ok());
        store.close().unwrap();
    }
}

/// The next opening continues a conversion that ended at any step, and nothing is lost.
#[test]
fn an_interrupted_conversion_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let expected = {
        let path = unpacked("store_v7.duckdb", folder.path());
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        let expected = all(&store);
        store.close().unwrap();
        expected
    };
    let path = unpacked("store_v7.duckdb", folder.path());
    for stop_at in [1, 2, 3] {
        let calls = Arc::new(AtomicU64::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (counted, noted) = (Arc::clone(&calls), Arc::clone(&seen));
        let on_conversion = OnConversion::new(move |done, total| {
            noted.lock().unwrap().push((done, total));
            assert!(counted.fetch_add(1, Ordering::Relaxed) + 1 != stop_at, "interrupted");
        });
        let options = StoreOptions { on_conversion, ..StoreOptions::default() };
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open(&path, options)));
        let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        match opened {
            Err(_) => assert_eq!(seen.len() as u64, stop_at),
            Ok(store) => store.unwrap().close().unwrap(),
        }
        assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 == pair[1].1), "{seen:?}");
    }
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let found = all(&store);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.labels, &found.timestamps), (&expected.labels, &expected.timestamps));
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.values), bits(&expected.values));
    }
}
