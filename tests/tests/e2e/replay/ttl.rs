//! `almanac replay ttl`: its replayed figures are counted again from the events.

use std::{collections::HashMap, fmt::Write as _, fs, path::Path};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::run;

const GRID_S: [i64; 5] = [1, 10, 60, 600, 7_200];

#[derive(Clone, Copy)]
struct Event {
    at_ms: i64,
    key: u32,
    op: &'static str,
}

/// Returns four hours of a cache: keys of very different popularity, writes, a few deletes, several events per
/// millisecond.
fn events() -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut events: Vec<Event> = (0..30_000)
        .map(|_| {
            // The smallest of three draws, so that few keys get most of the reads.
            let key = (0..3).map(|_| rng.random_range(0..60)).min().unwrap_or(0);
            let op = match rng.random_range(0..100) {
                0..93 => "get",
                93..99 => "write",
                _ => "delete",
            };
            Event { at_ms: rng.random_range(0..14_400) * 1_000, key, op }
        })
        .collect();
    events.sort_by_key(|event| event.at_ms);
    events
}

fn write_events(path: &Path, events: &[Event]) {
    let mut text = "timestamp,cache,key,op\n".to_owned();
    for Event { at_ms, key, op } in events {
        writeln!(text, "{at_ms},pages,key-{key},{op}").unwrap();
    }
    fs::write(path, text).unwrap();
}

/// Returns hits over reads, and stale hits over hits, from `from_ms` on with an empty cache.
fn count(events: &[Event], from_ms: i64, ttl_ms: i64, invalidate: bool) -> (f64, f64) {
    let mut filled: HashMap<u32, (i64, bool)> = HashMap::new();
    let (mut reads, mut hits, mut stale) = (0_u32, 0_u32, 0_u32);
    for event in events.iter().filter(|event| event.at_ms >= from_ms) {
        match event.op {
            "get" => {
                reads += 1;
                match filled.get(&event.key) {
                    Some((at_ms, written)) if event.at_ms - at_ms < ttl_ms => {
                        hits += 1;
                        stale += u32::from(*written);
                    }
                    _ => {
                        filled.insert(event.key, (event.at_ms, false));
                    }
                }
            }
            "write" if !invalidate => {
                if let Some(copy) = filled.get_mut(&event.key) {
                    copy.1 = true;
                }
            }
            _ => {
                filled.remove(&event.key);
            }
        }
    }
    (f64::from(hits) / f64::from(reads), f64::from(stale) / f64::from(hits.max(1)))
}

fn replayed(folder: &Path, flags: &[&str]) -> Value {
    let grid: Vec<String> = GRID_S.iter().map(|ttl| format!("{ttl}s")).collect();
    let grid = grid.join(",");
    let args = ["replay", "ttl", "events.csv", "--grid", &grid, "--max-stale", "0.05", "--current", "pages=5m"];
    let ended = run(folder, args.iter().chain(flags));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["caches"].as_array().unwrap().len(), 1);
    report["caches"][0].clone()
}

#[test]
fn replayed_figures_are_those_of_the_events() {
    let folder = tempdir().unwrap();
    let events = events();
    write_events(&folder.path().join("events.csv"), &events);
    for invalidate in [false, true] {
        let flags: &[&str] = if invalidate { &["--invalidate-on-write"] } else { &[] };
        let cache = replayed(folder.path(), flags);
        assert_eq!((&cache["cache"], &cache["identifiable"]), (&"pages".into(), &true.into()));
        assert_eq!(cache["current"]["ttl_seconds"], 300);
        let (first, last) = (events[0].at_ms, events[events.len() - 1].at_ms);
        let split = cache["split_at"].as_i64().unwrap();
        assert!((split - (first + last) / 2).abs() <= 1, "{split}");
        let rows = cache["ttls"].as_array().unwrap();
        let ttls: Vec<i64> = rows.iter().map(|row| row["ttl_seconds"].as_i64().unwrap()).collect();
        assert!(GRID_S.iter().chain(&[300]).all(|ttl| ttls.contains(ttl)), "{ttls:?}");
        for row in rows {
            let ttl_s = row["ttl_seconds"].as_i64().unwrap();
            let (hit, stale) = count(&events, split, ttl_s * 1_000, invalidate);
            let near = |name: &str, expected: f64| {
                let reported = row[name]["replayed"].as_f64().unwrap();
                assert!((reported - expected).abs() < 1e-12, "{ttl_s} s, {name}: {reported} {expected}");
            };
            near("hit_ratio", hit);
            near("stale_share", stale);
            for name in ["hit_ratio", "stale_share", "resident_keys_mean"] {
                let [lower, value, upper] =
                    ["lower", "value", "upper"].map(|part| row[name]["predicted"][part].as_f64().unwrap());
                assert!(lower <= value && value <= upper, "{ttl_s} s: {row}");
            }
        }
        let invalidated = &cache["gains"]["invalidate_on_write"];
        assert_eq!(invalidated.is_null(), invalidate);
        if let Some(ttl_s) = invalidated["ttl_seconds"].as_i64() {
            let (hit, _) = count(&events, split, ttl_s * 1_000, true);
            assert!((invalidated["hit_ratio"]["replayed"].as_f64().unwrap() - hit).abs() < 1e-12, "{invalidated}");
            assert_eq!(invalidated["stale_share"]["replayed"], 0.0);
        }
        // There are no miss costs, and four hours are too short for hours of the day.
        assert_eq!((&cache["gains"]["refresh_early"], &cache["hours"]), (&Value::Null, &Value::Null));
        assert_eq!(cache["findings"], serde_json::json!([]));
        let recommended = cache["recommended"]["ttl_seconds"].as_i64().unwrap();
        let chosen = rows.iter().find(|row| row["ttl_seconds"] == recommended).unwrap();
        assert!(chosen["stale_share"]["predicted"]["value"].as_f64().unwrap() <= 0.05, "{chosen}");
    }
}

#[test]
fn the_order_of_lines_matters_only_within_a_millisecond() {
    let folder = tempdir().unwrap();
    let events = events();
    write_events(&folder.path().join("events.csv"), &events);
    let sorted = replayed(folder.path(), &[]);
    // The second half first; events of one millisecond keep their order.
    let middle = events.partition_point(|event| event.at_ms < 7_200_000);
    let turned: Vec<Event> = events[middle..].iter().chain(&events[..middle]).copied().collect();
    write_events(&folder.path().join("events.csv"), &turned);
    let turned = replayed(folder.path(), &[]);
    assert_eq!(turned["recommended"], sorted["recommended"]);
    for (a, b) in turned["ttls"].as_array().unwrap().iter().zip(sorted["ttls"].as_array().unwrap()) {
        for name in ["hit_ratio", "stale_share", "resident_keys_mean"] {
            // Tolerance, since keys are summed in another order.
            let of = |row: &Value| row[name]["replayed"].as_f64().unwrap();
            assert!((of(a) - of(b)).abs() < 1e-9, "{a} {b}");
        }
    }
}

#[test]
fn invalid_files_are_reported_in_one_line() {
    let folder = tempdir().unwrap();
    let check = |text: &str, message: &str| {
        fs::write(folder.path().join("events.csv"), text).unwrap();
        let ended = run(folder.path(), ["replay", "ttl", "events.csv"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{text}");
        assert!(ended.stderr.contains(message) && ended.stderr.lines().count() == 1, "{text}: {}", ended.stderr);
    };
    check("timestamp,cache,key,op\n1000,pages,a,get\n2000,pages,a,fetch\n", "events.csv");
    check("timestamp,cache,key,op\n1000,pages,a,get\n2000,pages,a,fetch\n", "fetch");
    check("timestamp,cache,key,op\nsoon,pages,a,get\n", "soon");
    check("timestamp,cache,op\n1,pages,get\n", "key");
    check("", "events.csv");
}

/// Returns a day of reads of thirty keys with occasional writes.
fn a_day() -> Vec<String> {
    let mut rows = Vec::new();
    for tick in 0..8_640_i64 {
        let at_ms = 1_788_739_200_000 + tick * 10_000;
        rows.push(format!("{at_ms},pages,k{},get", tick * 7 % 30));
        if tick % 97 == 0 {
            rows.push(format!("{},pages,k{},write", at_ms + 5, tick * 11 % 30));
        }
    }
    rows
}

fn report(rows: &[String]) -> Value {
    let folder = tempdir().unwrap();
    let text = format!("timestamp,cache,key,op\n{}\n", rows.join("\n"));
    fs::write(folder.path().join("events.csv"), text).unwrap();
    let ended = run(folder.path(), ["replay", "ttl", "events.csv", "--grid", "1m,10m,1h", "--max-stale", "0.2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str::<Value>(&ended.stdout).unwrap()["caches"][0].clone()
}

#[test]
fn events_far_from_all_others_and_files_read_twice_change_nothing() {
    let rows = a_day();
    let plain = report(&rows);
    assert!(plain["recommended"].is_object() && plain["notes"].is_null(), "{plain}");
    let same = |rows: &[String], note: &str| {
        let report = report(rows);
        let notes = report["notes"].to_string();
        assert!(notes.contains(note), "{note}: {notes}");
        for name in ["split_at", "recommended", "ttls", "from", "until"] {
            assert_eq!(report[name], plain[name], "{note}: {name}");
        }
    };
    let with = |more: &[String]| [more, &rows[..], more].concat();
    same(&[&rows[..], &["1820275200000,pages,k1,get".to_owned()]].concat(), "1 of 8731 events are far");
    same(&with(&["0,pages,k1,get".to_owned()]), "2 of 8732 events are far");
    let seconds: Vec<String> = rows.iter().step_by(20).map(|row| row.replacen("000,", ",", 1)).collect();
    same(&[&rows[..], &seconds[..]].concat(), "events are far");
    same(&[&rows[..], &rows[..]].concat(), "2 times, as in a file read twice");
}

#[test]
fn a_few_events_give_no_verdict() {
    let rows = a_day();
    for n in [3, 40, 150] {
        let few = report(&rows[..n]);
        assert_eq!((&few["identifiable"], &few["recommended"]), (&Value::Bool(false), &Value::Null), "{n}");
        assert!(few["reason"].as_str().unwrap().contains("too few events"), "{n}: {}", few["reason"]);
        assert_eq!(few["findings"], Value::Array(Vec::new()), "{n}");
    }
}
