//! Tests of exports: what is written comes back through an import, bit by bit, in parts of any size.

use std::{fs, path::Path};

use super::*;
use crate::{
    ingest::{
        Ingest, IngestLimits,
        import::{ImportOptions, import_file},
    },
    series::{Labels, Matcher, SampleSource, SeriesSamples, stale_marker},
    store::{SampleBatch, Store, StoreOptions},
};

/// Noon of a day, and a month before.
const NOON: i64 = 1_767_225_600_000 + 43_200_000;
const BEFORE: i64 = NOON - 30 * 86_400_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("a.duckdb"), StoreOptions::default()).unwrap()
}

/// Values that are easily lost: stale markers, NaN, infinities, the smallest numbers, and many digits.
fn filled(folder: &Path) -> Store {
    let store = store(folder);
    let odd = [stale_marker(), f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, 0.1 + 0.2, 1e300];
    let mut batch = SampleBatch::default();
    for pairs in [
        vec![("__name__", "up"), ("job", "a \"quoted\", comma\nand\\line"), ("é", "ü")],
        vec![("__name__", "http_requests_total")],
        vec![("__name__", "up")],
    ] {
        let id = store.resolve(&labels(&pairs)).unwrap();
        for (idx, value) in (0..).zip(odd) {
            batch.push(id, BEFORE + idx, value);
            batch.push(id, NOON + idx * 15_000, value);
            // A day after 1970, which a number may be read as seconds of.
            batch.push(id, 86_400_000 + idx, value);
        }
    }
    store.append(batch).unwrap().wait().unwrap();
    store
}

fn every() -> Vec<Matcher> {
    Vec::new()
}

fn all(store: &Store) -> Vec<(String, Vec<i64>, Vec<u64>)> {
    let found = store.select(&every(), i64::MIN, i64::MAX, 1_000_000).unwrap();
    let bits = |one: SeriesSamples| {
        (one.labels.to_string(), one.timestamps, one.values.iter().map(|value| value.to_bits()).collect())
    };
    let mut found: Vec<_> = found.into_iter().map(bits).collect();
    found.sort();
    found
}

fn parts(store: &Store, (start, end): (i64, i64), limit: usize) -> Vec<Part> {
    let (mut found, mut until) = (Vec::new(), end);
    while let Some(part) = newest_part(store, &every(), (start, until), limit).unwrap() {
        until = part.from_ms - 1;
        found.push(part);
    }
    found
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn every_format_comes_back_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let from = filled(folder.path());
    let expected = all(&from);
    for format in [ExportFormat::Parquet, ExportFormat::Csv, ExportFormat::Ndjson] {
        for limit in [PART_SAMPLES, 7] {
            let target = tempfile::tempdir().unwrap();
            let out = target.path().join("export");
            let mut written = ExportFolder::create(&out, format).unwrap();
            for part in parts(&from, (i64::MIN, i64::MAX), limit) {
                written.write(&part).unwrap();
            }
            let report = written.report();
            assert_eq!((report.samples, report.series, report.days), (72, 3, 3), "{format:?}");
            let files = files(&out);
            assert_eq!(files.len() as u64, report.files, "{files:?}");
            assert!(limit > 7 || report.files > 6, "{files:?}");
            assert!(files.iter().any(|file| file.to_string_lossy().contains("day=1970-01-02/samples-0")), "{files:?}");
            let back = store(target.path());
            let ingest = Ingest::new(back.clone(), IngestLimits::default());
            for file in &files {
                let options =
                    ImportOptions { format: None, name: None, now: almanac_models::Timestamp::from_millis(NOON) };
                import_file(&ingest, file, &options, &mut |_, _| {}).unwrap();
            }
            assert_eq!(all(&back), expected, "{format:?} with {limit} samples a part");
        }
    }
}

#[test]
fn parts_are_of_one_day_and_have_each_sample_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    for limit in [3, 8, 24, 1_000] {
        let found = parts(&store, (i64::MIN, i64::MAX), limit);
        let samples: usize = found.iter().flat_map(|part| &part.series).map(|one| one.values.len()).sum();
        assert_eq!(samples, 72, "{limit}");
        assert!(found.is_sorted_by(|newer, older| newer.from_ms > older.from_ms));
        for part in &found {
            let times = part.series.iter().flat_map(|one| &one.timestamps);
            assert!(times.clone().all(|at| *at >= part.from_ms && at - part.day().0 < 86_400_000), "{part:?}");
            assert!(times.count() <= limit);
        }
    }
    let count = |start, end| -> usize {
        parts(&store, (start, end), 10).iter().flat_map(|part| &part.series).map(|one| one.values.len()).sum()
    };
    assert_eq!((count(NOON, i64::MAX), count(NOON, NOON), count(BEFORE + 1, BEFORE + 2)), (24, 3, 6));
    assert_eq!((count(NOON + 1, NOON), count(0, 5)), (0, 0));
    // More series have a sample at one instant than a part may have: that cannot be divided.
    assert!(matches!(newest_part(&store, &every(), (NOON, NOON), 2), Err(ExportError::Read(_))));
}

#[test]
fn a_line_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    for one in store.select(&every(), i64::MIN, i64::MAX, 1_000_000).unwrap() {
        let back = parse_line(&line(&one)).unwrap();
        assert_eq!((&back.labels, &back.timestamps), (&one.labels, &one.timestamps));
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.values), bits(&one.values));
    }
    for (text, expected) in [
        ("", "EOF"),
        ("{\"metric\":{},\"values\":[1],\"timestamps\":[]}", "1 values and 0 timestamps"),
        ("{\"metric\":{},\"values\":[\"x\"],\"timestamps\":[1]}", "no number"),
        ("{\"metric\":{},\"values\":[1],\"timestamps\":[\"x\"]}", "no time"),
    ] {
        assert!(parse_line(text).unwrap_err().contains(expected), "{text}");
    }
}

#[test]
fn a_folder_with_files_is_refused_and_a_failed_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    let error = ExportFolder::create(folder.path(), ExportFormat::Csv).unwrap_err();
    assert!(error.to_string().contains("is not empty; give a new or an empty folder"), "{error}");
    let out = folder.path().join("export");
    let mut written = ExportFolder::create(&out, ExportFormat::Parquet).unwrap();
    let part = newest_part(&store, &every(), (i64::MIN, i64::MAX), 100).unwrap().unwrap();
    // A file in place of the folder of the day.
    fs::write(out.join("day=2026-01-01"), "").unwrap();
    assert!(written.write(&part).is_err());
    assert_eq!((files(&out).len(), written.report()), (1, ExportReport::default()));
}
