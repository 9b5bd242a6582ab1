//! `almanac replay rightsizing`: its figures are recomputed from the decisions that it wrote.

use std::{fmt::Write, fs};

use serde_json::Value;

use crate::harness::run;

const START: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 600_000;
const DAY: i64 = 144;

/// Returns fourteen days of usage: half a core at night and a whole core by day, plus noise without a period.
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
fn invalid_calls_and_files_are_reported_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let day: String = usage().lines().take(145).map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("day.csv"), day).unwrap();
    for (options, code, message) in [
        ("day.csv", 2, "--resource"),
        ("day.csv --resource disk", 2, "cpu"),
        ("day.csv --resource cpu --request 0", 2, "--request 0 is not a positive number"),
        ("day.csv --resource cpu --request 5Mi", 2, "write cores like 0.5 or 500m"),
        ("day.csv --resource memory --min-request lots", 2, "write bytes like 536870912 or 512Mi"),
        ("day.csv --resource cpu --decisions out.csv", 1, "give a shorter --warmup"),
        ("none.csv --resource cpu", 1, "none.csv"),
    ] {
        let call = format!("replay rightsizing {options}");
        let ended = run(folder.path(), call.split_whitespace());
        assert_eq!(ended.code, Some(code), "{options}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{options}: {}", ended.stderr);
    }
    assert!(!folder.path().join("out.csv").exists());
    let call = "replay rightsizing day.csv --resource cpu --warmup 12h";
    let ended = run(folder.path(), call.split_whitespace());
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let reason = report["series"][0]["recommended"]["reason"].as_str().unwrap();
    assert!(reason.contains("got 1.0 days of cpu usage"), "{reason}");
}

/// Replays two weeks of ten-minute steps; `value` takes the step and a noise between 0 and 1.
fn replayed(options: &str, value: impl Fn(i64, f64) -> f64) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "series,timestamp,value\n".to_owned();
    for slot in 0..14 * DAY {
        let noise = f64::from(i32::try_from(slot * 7_919 % 104_729 % 1_009).unwrap()) / 1_009.0;
        writeln!(text, "api,{},{}", START + slot * STEP_MS, value(slot, noise)).unwrap();
    }
    fs::write(folder.path().join("usage.csv"), text).unwrap();
    let ended = run(folder.path(), format!("replay rightsizing usage.csv {options}").split_whitespace());
    let report = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
    (ended.code, report, ended.stderr)
}

/// Returns usage in cores: a whole core by day and a fifth by night, with noise.
fn cores(slot: i64, noise: f64) -> f64 {
    (if (48..96).contains(&(slot % DAY)) { 1.0 } else { 0.2 }) * (0.6 + 0.8 * noise)
}

#[test]
fn usage_in_other_units_is_rejected_with_the_conversion() {
    let mebibyte = 1_048_576.0;
    let total = |slot: i64| (0..slot).map(|slot| 600.0 * cores(slot, 0.5)).sum::<f64>();
    let refused = |options: &str, value: &dyn Fn(i64, f64) -> f64, right: &str| {
        let (code, _, stderr) = replayed(options, value);
        assert_eq!(code, Some(1), "{options}: {stderr}");
        assert!(stderr.contains(right) && stderr.lines().count() == 1, "{options}: {stderr}");
    };
    refused("--resource cpu", &|slot, _| total(slot), "rate(x[5m])");
    refused("--resource cpu --request 500m", &|slot, noise| 1e3 * cores(slot, noise), "`/ 1000`");
    refused("--resource cpu --request 1", &|slot, noise| 1e2 * cores(slot, noise), "`/ 100`");
    refused("--resource cpu --request 500", &cores, "the present cpu request is 500");
    refused("--resource memory", &|_, noise| 150.0 + 20.0 * noise, "`* 1048576`");
    refused("--resource memory --request 512", &|_, noise| mebibyte * (150.0 + 20.0 * noise), "`* 1048576`");
}

#[test]
fn a_request_that_was_never_passed_is_not_raised_and_a_peak_in_the_history_is_covered() {
    let gibibyte = f64::from(1_u32 << 30);
    // A peak of an hour on the third, the seventh or the last day.
    for day in [2, 6, 13] {
        let peak = move |slot: i64, noise: f64| {
            let high = (day * DAY + 60..day * DAY + 66).contains(&slot);
            if high { 0.86 * gibibyte } else { (140.0 + 10.0 * noise) * 1_048_576.0 }
        };
        let (_, report, _) = replayed("--resource memory --request 1Gi", peak);
        let recommended = &report["series"][0]["recommended"];
        let request = recommended["request"].as_f64();
        assert!(request.is_none_or(|request| (0.86 * gibibyte..=gibibyte).contains(&request)), "{day}: {recommended}");
        let (_, report, _) = replayed("--resource memory --request 8Gi", peak);
        let request = report["series"][0]["recommended"]["request"].as_f64().unwrap();
        assert!((0.86 * gibibyte..1.2 * gibibyte).contains(&request), "{day}: {request}");
    }
}

#[test]
fn an_idle_container_gets_the_least_request() {
    let quantity = |options: &str, level: f64| {
        let (code, report, stderr) = replayed(options, |_, noise| level * noise);
        assert_eq!(code, Some(0), "{stderr}");
        report["series"][0]["recommended"]["quantity"].as_str().map(str::to_owned)
    };
    for level in [0.0, 1e-6, 0.004] {
        assert_eq!(quantity("--resource cpu --request 0.1", level).as_deref(), Some("10m"), "{level}");
    }
    assert_eq!(quantity("--resource cpu --request 0.1 --min-request 25m", 0.0).as_deref(), Some("25m"));
    assert_eq!(quantity("--resource memory --request 1Gi", 0.0).as_deref(), Some("16Mi"));
    assert_eq!(quantity("--resource cpu", 0.0).as_deref(), Some("10m"));
    // A present request at or near the least request is kept.
    for request in ["10m", "12m", "5m"] {
        assert_eq!(quantity(&format!("--resource cpu --request {request}"), 0.0), None, "{request}");
    }
}

#[test]
fn throttling_is_reported() {
    let (_, report, _) = replayed("--resource cpu --request 500m", |slot, noise| cores(slot, noise).min(0.9));
    let notes = report["series"][0]["notes"].to_string();
    assert!(notes.contains("flat at 900m"), "{notes}");
}
