//! `almanac replay rightsizing`, its figures recomputed from the decisions that it wrote.

use std::{fmt::Write, fs};

use serde_json::Value;

use crate::harness::run;

const START: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 600_000;
const DAY: i64 = 144;

/// Fourteen days: half a core, by day a whole one, and something that repeats nowhere.
fn usage() -> String {
    let mut text = "series,timestamp,value\n".to_owned();
    for slot in 0..14 * DAY {
        let noise = f64::from(i32::try_from(slot * 7_919 % 101).unwrap()) / 1_010.0;
        let level = if (48..96).contains(&(slot % DAY)) { 1.0 } else { 0.5 };
        writeln!(text, "api,{},{}", START + slot * STEP_MS, level + noise).unwrap();
    }
    text
}

#[test]
fn its_figures_follow_from_its_decisions() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cpu.csv"), usage()).unwrap();
    let options = "replay rightsizing cpu.csv --resource cpu --request 4 --decisions out.csv";
    let ended = run(folder.path(), options.split_whitespace());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let series = &report["series"][0];
    assert_eq!(series["scored_from"], "2026-01-08T00:00:00Z");

    let text = fs::read_to_string(folder.path().join("out.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("series,timestamp,usage,request"));
    let (mut requested, mut used, mut above, mut steps) = (0.0, 0.0, 0.0, 0.0);
    for line in lines.skip(usize::try_from(7 * DAY).unwrap()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [usage, request] = [fields[2], fields[3]].map(|field| field.parse::<f64>().unwrap());
        requested += request;
        used += usage.min(request);
        above += f64::from(u8::from(usage > request));
        steps += 1.0;
    }
    let leading = &series["rules"]["leading"];
    assert!((leading["idle_share"].as_f64().unwrap() - (1.0 - used / requested)).abs() < 1e-9, "{leading}");
    assert!((leading["above_share"].as_f64().unwrap() - above / steps).abs() < 1e-12, "{leading}");

    let present = &series["rules"]["present"];
    let mean = present["usage_mean"].as_f64().unwrap();
    assert!(
        (present["cost"].as_f64().unwrap() - (4.0 - mean) / mean).abs() < 1e-9,
        "nothing is ever above it: {present}"
    );
    let recommended = series["recommended"]["request"].as_f64().unwrap();
    assert!((0.9..1.3).contains(&recommended), "{series}");
}

#[test]
fn wrong_calls_and_files_are_told_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let day: String = usage().lines().take(145).map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("day.csv"), day).unwrap();
    for (options, code, said) in [
        ("day.csv", 2, "--resource"),
        ("day.csv --resource disk", 2, "cpu"),
        ("day.csv --resource cpu --request 0", 2, "--request 0 is not a positive number"),
        ("day.csv --resource cpu --decisions out.csv", 1, "give a shorter --warmup"),
        ("none.csv --resource cpu", 1, "none.csv"),
    ] {
        let call = format!("replay rightsizing {options}");
        let ended = run(folder.path(), call.split_whitespace());
        assert_eq!(ended.code, Some(code), "{options}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{options}: {}", ended.stderr);
    }
    assert!(!folder.path().join("out.csv").exists());
    let call = "replay rightsizing day.csv --resource cpu --warmup 12h";
    let ended = run(folder.path(), call.split_whitespace());
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let reason = report["series"][0]["recommended"]["reason"].as_str().unwrap();
    assert!(reason.contains("1.0 days of cpu usage are too few"), "{reason}");
}
