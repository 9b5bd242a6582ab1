//! Tests of [`Ingest`]: which samples are stored, and which are refused with which reason.

use almanac_models::Timestamp;
use tempfile::TempDir;

use super::{
    Ingest, IngestLimits, WriteError,
    remote_write::{Version, encode_v1, encode_v2},
};
use crate::{
    series::{Labels, Matcher, Sample, SampleSource, is_stale, stale_marker},
    store::{Store, StoreOptions},
};

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn ingest(max_series: usize) -> (TempDir, Ingest) {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { max_series, ..StoreOptions::default() };
    let store = Store::open(&folder.path().join("s.duckdb"), options).unwrap();
    (folder, Ingest::new(store, IngestLimits::default()))
}

fn one(name: &str, timestamp_ms: i64, value: f64) -> (Labels, Vec<Sample>) {
    (Labels::from_pairs([("__name__", name), ("a", "1")]).unwrap(), vec![Sample { timestamp_ms, value }])
}

fn samples(ingest: &Ingest, name: &str) -> Vec<(i64, f64)> {
    let found = ingest.store().select(&[Matcher::equal("__name__", name)], i64::MIN, i64::MAX, 1000).unwrap();
    found.iter().flat_map(|s| s.timestamps.iter().copied().zip(s.values.iter().copied())).collect()
}

#[test]
fn a_series_has_one_number_in_every_encoding() {
    let (_folder, ingest) = ingest(10);
    let series = [one("up", 1, 1.0)];
    let id = |ingest: &Ingest| ingest.store().stats().series;
    ingest.remote_write(Version::V1, &encode_v1(&series), NOW).unwrap().wait().unwrap();
    ingest.remote_write(Version::V2, &encode_v2(&series), NOW).unwrap().wait().unwrap();
    // Labels in another order, which `Labels` cannot have.
    let label = |name: &str, value: &str| {
        let mut label = vec![0x0a, u8::try_from(name.len()).unwrap()];
        label.extend_from_slice(name.as_bytes());
        label.extend_from_slice(&[0x12, u8::try_from(value.len()).unwrap()]);
        label.extend_from_slice(value.as_bytes());
        [vec![0x0a, u8::try_from(label.len()).unwrap()], label].concat()
    };
    let entry = [label("a", "1"), label("__name__", "up"), vec![0x12, 2, 0x10, 9]].concat();
    let message = [vec![0x0a, u8::try_from(entry.len()).unwrap()], entry].concat();
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    ingest.remote_write(Version::V1, &body, NOW).unwrap().wait().unwrap();
    assert_eq!(id(&ingest), 1);
    assert_eq!(samples(&ingest, "up"), [(1, 1.0), (9, 0.0)]);
}

/// Refused entries are between valid ones; each sample stays with its series.
#[test]
fn refused_samples_do_not_displace_the_others() {
    let (_folder, ingest) = ingest(2);
    let bad = |timestamp_ms| (Labels::from_pairs([("a", "1")]).unwrap(), vec![Sample { timestamp_ms, value: 0.0 }; 2]);
    let far = i64::MAX;
    for (version, at) in [(Version::V1, 1), (Version::V2, 2)] {
        let mixed = [
            bad(at),
            one("x", at, 1.0),
            one("x", far, 9.0),
            bad(far),
            one("y", at, 2.0),
            one("z", at, 3.0),
            one("x", at + 10, stale_marker()),
        ];
        let body = if version == Version::V1 { encode_v1(&mixed) } else { encode_v2(&mixed) };
        let summary = ingest.remote_write(version, &body, NOW).unwrap().wait().unwrap();
        assert_eq!((summary.samples_written, summary.samples_refused), (3, 6));
        assert!(summary.is_partial());
        assert!(summary.to_string().starts_with("6 of 9 samples refused: series {a=\"1\"} has no metric name"));
    }
    let x = samples(&ingest, "x");
    assert_eq!(x.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [1, 2, 11, 12]);
    assert!(is_stale(x[2].1) && is_stale(x[3].1));
    assert_eq!(samples(&ingest, "y"), [(1, 2.0), (2, 2.0)]);
    assert_eq!(samples(&ingest, "z"), []);
    let counts = ingest.counts();
    assert_eq!(counts.accepted, 6);
    let refused: Vec<(&str, u64)> =
        counts.refused.iter().filter(|(_, n)| *n > 0).map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(refused, [("no_name", 8), ("series_limit", 2), ("timestamp", 2)]);
}

/// Timestamps in another unit or of a wrong clock are refused; the other samples are stored.
#[test]
fn stamps_ahead_or_in_another_unit_are_refused_and_the_others_stored() {
    let (_folder, ingest) = ingest(10);
    let now = NOW.millis();
    let (day, hour) = (86_400_000, 3_600_000);
    for (stamp, part) in [
        (
            now + hour + 1,
            "is in the future; the latest accepted timestamp is 1767229200000 (configuration ingest.max_ahead)",
        ),
        (now * 1000, "is in the future"),
        (now * 1_000_000, "is out of range"),
        (now / 1000, "looks like epoch seconds"),
    ] {
        let series = [one("x", stamp, 1.0), one("x", now + hour, 2.0), one("x", now - day, 3.0), one("x", 1000, 4.0)];
        for (version, body) in [(Version::V1, encode_v1(&series)), (Version::V2, encode_v2(&series))] {
            let summary = ingest.remote_write(version, &body, NOW).unwrap().wait().unwrap();
            assert_eq!((summary.samples_written, summary.samples_refused), (3, 1), "{stamp}");
            let words = summary.to_string();
            assert!(words.contains(part) && words.contains(&stamp.to_string()), "{words}");
        }
    }
    assert_eq!(samples(&ingest, "x"), [(1000, 4.0), (now - day, 3.0), (now + hour, 2.0)]);
}

#[test]
fn malformed_requests_are_counted() {
    let (_folder, ingest) = ingest(2);
    assert!(matches!(ingest.remote_write(Version::V1, b"no", NOW), Err(WriteError::Wire(_))));
    assert_eq!(ingest.counts().malformed_requests, 1);
}

/// A sample that is refused for any reason registers no series, so that it cannot use up the limit of series.
#[test]
fn refused_samples_register_no_series() {
    let now = NOW.millis();
    let far = now + 86_400_000;
    for version in [Version::V1, Version::V2] {
        let (_folder, ingest) = ingest(10);
        let encode = |series: &[(Labels, Vec<Sample>)]| match version {
            Version::V1 => encode_v1(series),
            Version::V2 => encode_v2(series),
        };
        for stamp in [far, now / 1000, i64::MAX, now * 1000] {
            let refused: Vec<_> = (0..100).map(|n| one(&format!("x{n}"), stamp, 1.0)).collect();
            let summary = ingest.remote_write(version, &encode(&refused), NOW).unwrap().wait().unwrap();
            assert_eq!((summary.samples_written, summary.samples_refused), (0, 100), "{stamp}");
            assert_eq!(ingest.store().stats().series, 0, "{stamp}");
        }
        // One accepted sample registers its series; the refused ones of the same entry do not matter.
        let (labels, mut samples) = one("honest", now, 1.0);
        samples.push(Sample { timestamp_ms: far, value: 2.0 });
        let summary = ingest.remote_write(version, &encode(&[(labels, samples)]), NOW).unwrap().wait().unwrap();
        assert_eq!((summary.samples_written, summary.samples_refused), (1, 1));
        assert_eq!(ingest.store().stats().series, 1);
    }
}

/// A batch that the full queue rejects registers no series either.
#[test]
fn a_rejected_batch_registers_no_series() {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { queue_bytes: 1, ..StoreOptions::default() };
    let store = Store::open(&folder.path().join("s.duckdb"), options).unwrap();
    let ingest = Ingest::new(store.clone(), IngestLimits::default());
    let mut rejected = 0;
    let mut waiting = Vec::new();
    for n in 0..200 {
        match ingest.remote_write(Version::V1, &encode_v1(&[one(&format!("x{n}"), NOW.millis(), 1.0)]), NOW) {
            Ok(pending) => waiting.push(pending),
            Err(_) => rejected += 1,
        }
    }
    let accepted = waiting.len() as u64;
    waiting.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    assert!(rejected > 0, "the queue was never full");
    assert_eq!(store.stats().series, accepted);
}

/// Series with far more labels than the limit are refused, in memory that does not grow with their number of labels.
#[test]
fn series_with_many_labels_are_refused_and_the_others_stored() {
    let (_folder, ingest) = ingest(10);
    let pairs: Vec<(String, String)> = (0..5000).map(|n| (format!("l{n}"), "v".to_owned())).collect();
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([("__name__", "wide")]);
    let wide = (Labels::from_pairs(pairs).unwrap(), vec![Sample { timestamp_ms: NOW.millis(), value: 1.0 }]);
    for (version, words) in [(Version::V1, "1001 labels or more"), (Version::V2, "1001 labels or more")] {
        let series = [wide.clone(), one("narrow", NOW.millis(), 1.0)];
        let body = if version == Version::V1 { encode_v1(&series) } else { encode_v2(&series) };
        let summary = ingest.remote_write(version, &body, NOW).unwrap().wait().unwrap();
        assert_eq!((summary.samples_written, summary.samples_refused), (1, 1));
        let words_found = summary.to_string();
        assert!(words_found.contains(words) && words_found.contains("the limit is 64"), "{words_found}");
    }
}
