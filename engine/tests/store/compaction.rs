//! Compaction: due times, contents, rollups, retention, disk space.

use almanac_engine::store::{Compaction, CompactionReport, SampleBatch, StoreOptions};
use almanac_models::Timestamp;

use crate::support::{Fresh, all, labels, put};

const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_block_is_due_after_two_hours() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 0, 1.0)]);
    let compact = |now: i64| fresh.store.compact(at(now), Compaction::Due).unwrap();
    assert_eq!(compact(0), CompactionReport::default());
    assert_eq!(compact(2 * HOUR - 1), CompactionReport::default());
    let report = compact(2 * HOUR);
    assert_eq!((report.samples_moved, report.segments_written, report.segments_dropped), (1, 1, 1));
    assert_eq!(report.rollups_written, 1);
    assert_eq!(compact(3 * HOUR), CompactionReport::default());
    assert_eq!(all(&fresh.store)[0].values, [1.0]);
}

#[test]
fn the_age_of_a_block_survives_a_restart() {
    let fresh = Fresh::new();
    put(&fresh.store, &[(&labels(&[("__name__", "up")]), 0, 1.0)]);
    fresh.store.compact(at(0), Compaction::Due).unwrap();
    let fresh = fresh.reopened();
    assert_eq!(fresh.store.compact(at(2 * HOUR), Compaction::Due).unwrap().samples_moved, 1);
}

#[test]
fn many_small_blocks_become_few_runs() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    fresh.store.compact(at(0), Compaction::Due).unwrap();
    for block in 0..20_i64 {
        put(&fresh.store, &[(&up, block * 2 * HOUR, 1.0)]);
        fresh.store.compact(at((block + 1) * 2 * HOUR), Compaction::Due).unwrap();
    }
    let stats = fresh.store.stats();
    assert!(stats.segments < 8, "{stats:?}");
    assert_eq!(all(&fresh.store)[0].timestamps.len(), 20);
}

#[test]
fn late_samples_replace_cold_ones() {
    let fresh = Fresh::new();
    let (up, down) = (labels(&[("__name__", "up")]), labels(&[("__name__", "down")]));
    put(&fresh.store, &[(&up, 10, 1.0), (&up, 20, 2.0), (&down, 10, 5.0)]);
    fresh.store.compact(at(0), Compaction::All).unwrap();
    put(&fresh.store, &[(&up, 10, 3.0), (&up, 15, 4.0), (&up, 15, 4.5)]);
    let report = fresh.store.compact(at(0), Compaction::All).unwrap();
    assert_eq!((report.samples_moved, report.samples_replaced), (3, 2));
    let fresh = fresh.reopened();
    let found = all(&fresh.store);
    assert_eq!(found[1].timestamps, [10, 15, 20]);
    assert_eq!(found[1].values, [3.0, 4.5, 2.0]);
    assert_eq!(fresh.store.stats().samples_cold, 4);
}

#[test]
fn retention_drops_raw_samples_and_keeps_rollups() {
    let options = StoreOptions {
        retention_raw_ms: Some(24 * HOUR),
        retention_rollup_ms: Some(72 * HOUR),
        ..StoreOptions::default()
    };
    let fresh = Fresh::with(options.clone());
    let (old, new) = (labels(&[("__name__", "old")]), labels(&[("__name__", "new")]));
    put(&fresh.store, &[(&old, 0, 1.0), (&new, 0, 1.0), (&new, 48 * HOUR, 2.0)]);
    let report = fresh.store.compact(at(10 * HOUR), Compaction::All).unwrap();
    assert_eq!((report.samples_expired, report.samples_moved), (0, 3));
    // Two of three samples are more than the largest share.
    let report = fresh.store.compact(at(49 * HOUR), Compaction::All).unwrap();
    assert_eq!((report.samples_expired, report.rows_held), (0, 2));
    let report = fresh.store.compact_dropping(at(49 * HOUR), Compaction::All, true).unwrap();
    assert_eq!((report.samples_expired, report.rows_held), (2, 0));
    let found = all(&fresh.store);
    assert_eq!((found.len(), found[0].timestamps.as_slice()), (1, [48 * HOUR].as_slice()));

    // The old series stays while it has rollups, and its number is never assigned again.
    let fresh = fresh.reopened_with(options.clone());
    assert_eq!(fresh.store.stats().series, 2);
    // The age counts from the newest sample, whatever the clock says.
    fresh.store.compact_dropping(at(49 * HOUR + 72 * HOUR), Compaction::All, true).unwrap();
    let fresh = fresh.reopened_with(options.clone());
    assert_eq!(fresh.store.stats().series, 2);
    put(&fresh.store, &[(&new, 49 * HOUR + 72 * HOUR, 3.0)]);
    fresh.store.compact_dropping(at(49 * HOUR + 72 * HOUR), Compaction::All, true).unwrap();
    let fresh = fresh.reopened_with(options);
    assert_eq!(fresh.store.stats().series, 1);
    assert_eq!(fresh.store.resolve(&old).unwrap().index(), 2);
}

#[test]
fn without_retention_nothing_is_deleted() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 0, 1.0), (&up, 1, 2.0)]);
    fresh.store.compact(at(i64::MAX), Compaction::All).unwrap();
    assert_eq!(all(&fresh.store)[0].values, [1.0, 2.0]);
}

#[test]
fn appends_continue_during_a_compaction() {
    let fresh = Fresh::new();
    let id = fresh.store.resolve(&labels(&[("__name__", "up")])).unwrap();
    let writer = fresh.store.clone();
    let appending = std::thread::spawn(move || {
        for t in 0..200_i64 {
            let mut batch = almanac_engine::store::SampleBatch::default();
            batch.push(id, t, 1.0);
            batch.push(id, t / 2, 2.0);
            writer.append(batch).unwrap().wait().unwrap();
        }
    });
    for _ in 0..5 {
        fresh.store.compact(at(0), Compaction::All).unwrap();
        let found = all(&fresh.store);
        assert!(found.iter().all(|series| series.timestamps.is_sorted_by(|a, b| a < b)));
    }
    appending.join().unwrap();
    let found = all(&fresh.store);
    assert_eq!(found[0].timestamps, (0..200).collect::<Vec<i64>>());
    assert_eq!(found[0].values[..100], [2.0; 100]);
}

#[test]
fn late_samples_alone_are_compacted() {
    let fresh = Fresh::new();
    let up = labels(&[("__name__", "up")]);
    put(&fresh.store, &[(&up, 20, 2.0)]);
    fresh.store.compact(at(0), Compaction::All).unwrap();
    // The batch has one sample, older than all stored ones.
    put(&fresh.store, &[(&up, 10, 1.0)]);
    let report = fresh.store.compact(at(0), Compaction::All).unwrap();
    assert_eq!((report.samples_moved, report.samples_replaced), (1, 0));
    assert_eq!(all(&fresh.store)[0].values, [1.0, 2.0]);
    put(&fresh.store, &[(&up, 20, 3.0)]);
    let report = fresh.store.compact(at(0), Compaction::All).unwrap();
    assert_eq!((report.samples_moved, report.samples_replaced), (1, 1));
    assert_eq!(all(&fresh.store)[0].values, [1.0, 3.0]);
}

/// Closing writes the hot segment to the file, so that its blocks precede those of the cold segment built from it.
#[test]
fn a_full_compaction_reclaims_space() {
    let fresh = Fresh::new();
    let names: Vec<_> = (0..200).map(|idx| labels(&[("__name__", "m"), ("idx", &idx.to_string())])).collect();
    let ids: Vec<_> = names.iter().map(|name| fresh.store.resolve(name).unwrap()).collect();
    let mut noise = 1_u64;
    for part in 0..10_i64 {
        let mut batch = SampleBatch::default();
        for step in 0..500 {
            for &id in &ids {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                batch.push(id, (part * 500 + step) * 10_000, f64::from_bits(noise >> 12 | 0x3ff0_0000_0000_0000));
            }
        }
        fresh.store.append(batch).unwrap().wait().unwrap();
    }
    let written = all(&fresh.store);
    let fresh = fresh.reopened();
    let before = fresh.store.stats().file_bytes;
    fresh.store.compact(at(0), Compaction::All).unwrap();
    // An open database keeps metadata at the end of the file; the space before it is reclaimed by the next process.
    let fresh = fresh.reopened();
    fresh.store.compact(at(0), Compaction::All).unwrap();
    assert_eq!(all(&fresh.store), written);
    let fresh = fresh.reopened();
    let after = fresh.store.stats().file_bytes;
    // Two copies of the rows would more than double the file; rollups and spare blocks take half the size of the rows.
    assert!(after < before + before / 4 * 3, "{before} bytes before, {after} after");
    assert_eq!(all(&fresh.store), written);
    let fresh = fresh.reopened();
    assert_eq!(all(&fresh.store), written);
    assert_eq!(fresh.store.stats().samples_cold, 1_000_000);
}
