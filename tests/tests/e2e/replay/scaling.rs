//! `almanac replay scaling`: its figures are recomputed from the decisions that it wrote.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};
use tempfile::tempdir;

use serde_json::Value;

use crate::harness::run;

const STEP_SECONDS: i64 = 600;
const START: i64 = 1_767_225_600;

/// Writes ten days of ten-minute steps: a daily season plus noise without a period; one value is missing.
fn write_demand(path: &Path) {
    let mut text = "series,timestamp,value\n".to_owned();
    for slot in 0..1_440_i64 {
        let phase = f64::from(i32::try_from(slot % 144).unwrap()) / 144.0 * std::f64::consts::TAU;
        let noise = f64::from(i32::try_from(slot * 7_919 % 104_729 % 101).unwrap()) / 101.0;
        let value = (60.0 - 40.0 * phase.cos()) * (0.8 + 0.4 * noise);
        let value = if slot == 1_200 { String::new() } else { value.to_string() };
        writeln!(text, "api,{},{value}", (START + slot * STEP_SECONDS) * 1_000).unwrap();
    }
    fs::write(path, text).unwrap();
}

struct Row {
    demand: Option<f64>,
    desired: u32,
    ready: u32,
}

fn read_decisions(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("series,timestamp,demand,replicas_desired,replicas_ready"));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], "api");
        let [desired, ready] = [fields[3], fields[4]].map(|field| field.parse().unwrap());
        Row { demand: fields[2].parse().ok(), desired, ready }
    };
    lines.map(row).collect()
}

#[test]
fn its_figures_follow_from_its_decisions() {
    let folder = tempfile::tempdir().unwrap();
    write_demand(&folder.path().join("load.csv"));
    let options = "replay scaling load.csv --capacity 10 --target-utilization 0.7 --startup 20m --min 1 --max 40 \
                   --initial 5 --warmup 7d --decisions out.csv";
    let ended = run(folder.path(), options.split_whitespace());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let series = &report["series"][0];
    assert_eq!((&series["series"], &series["steps"]), (&"api".into(), &1_440.into()));
    assert_eq!(series["scored_from"], "2026-01-08T00:00:00Z");

    let rows = read_decisions(&folder.path().join("out.csv"));
    assert_eq!(rows.len(), 1_440);
    assert_eq!(rows[1_200].demand, None);
    for (idx, row) in rows.iter().enumerate() {
        let since = &rows[idx.saturating_sub(2)..=idx];
        let smallest = since.iter().map(|row| row.desired).min().unwrap();
        let expected = if idx < 2 { smallest.min(5) } else { smallest };
        assert_eq!(row.ready, expected, "step {idx}");
    }
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut add = |name: &'static str, value: f64| *sums.entry(name).or_default() += value;
    for idx in 1_008..rows.len() {
        let Row { demand, desired, ready } = &rows[idx];
        add("changes", f64::from(u8::from(*desired != rows[idx - 1].desired)));
        let Some(demand) = demand else { continue };
        let served = f64::from(*ready) * 10.0;
        add("steps", 1.0);
        add("under", f64::from(u8::from(*demand > served)));
        add("unserved", (demand - served).max(0.0));
        add("demand", *demand);
        add("replicas", f64::from(*desired));
    }
    let predictive = &series["policies"]["predictive"];
    let check = |name: &str, expected: f64| {
        let reported = predictive[name].as_f64().unwrap();
        assert!((reported - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}: {reported} {expected}");
    };
    check("under_provisioned_share", sums["under"] / sums["steps"]);
    check("unserved_share", sums["unserved"] / sums["demand"]);
    check("replica_hours", sums["replicas"] / 6.0);
    check("scale_changes_per_day", sums["changes"] / (sums["steps"] / 144.0));
    let oracle = &series["policies"]["oracle"];
    assert_eq!((&oracle["under_provisioned_share"], &oracle["replica_hours_over_oracle"]), (&0.0.into(), &1.0.into()));
    check("replica_hours_over_oracle", sums["replicas"] / 6.0 / oracle["replica_hours"].as_f64().unwrap());
    for policy in ["reactive", "same_cost", "last_week", "static_peak"] {
        assert!(series["policies"][policy]["replica_hours"].as_f64().unwrap() > 0.0, "{policy}");
    }
}

#[test]
fn invalid_calls_and_files_are_reported_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_demand(&folder.path().join("load.csv"));
    let check = |options: &str, code: i32, message: &str| {
        let ended = run(folder.path(), format!("replay scaling {options}").split_whitespace());
        assert_eq!(ended.code, Some(code), "{options}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{options}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !folder.path().join("out.csv").exists(), "{options}");
    };
    check("load.csv --capacity 0", 2, "capacity 0 of a replica is not a positive number");
    check("load.csv --capacity 10 --target-utilization 1.5", 2, "target utilization 1.5");
    check("load.csv --capacity 10 --min 5 --max 2", 2, "at least 5 and at most 2");
    check("load.csv --capacity 10 --initial 0", 2, "--initial 0 is not between --min 1 and --max 200");
    check("load.csv --capacity 10 --startup soon", 2, "\"soon\" is not a duration");
    check("load.csv --capacity 10 --warmup 30d --decisions out.csv", 1, "nothing to score");
    check("absent.csv --capacity 10 --decisions out.csv", 1, "absent.csv");
    check("load.csv", 2, "--capacity");
}

const POLICIES: [&str; 5] = ["predictive", "reactive", "same_cost", "last_week", "static_peak"];

/// Replays `days` of steps of `step_seconds`; `value` takes the step of the day and a noise between 0 and 1.
fn replayed(days: i64, step_seconds: i64, options: &str, value: impl Fn(i64, f64) -> f64) -> Value {
    let folder = tempdir().unwrap();
    let a_day = 86_400 / step_seconds;
    let mut text = "timestamp,value\n".to_owned();
    for slot in 0..days * a_day {
        let noise = f64::from(i32::try_from(slot * 7_919 % 104_729 % 1_009).unwrap()) / 1_009.0;
        writeln!(text, "{},{}", (START + slot * step_seconds) * 1_000, value(slot % a_day, noise)).unwrap();
    }
    fs::write(folder.path().join("load.csv"), text).unwrap();
    let ended = run(folder.path(), format!("replay scaling load.csv {options}").split_whitespace());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str::<Value>(&ended.stdout).unwrap()["series"][0].clone()
}

#[test]
fn a_lower_target_gives_more_replicas_under_every_rule() {
    let load = |slot: i64, noise: f64| {
        let phase = f64::from(i32::try_from(slot).unwrap()) / 144.0 * std::f64::consts::TAU;
        (600.0 - 400.0 * phase.cos()) * (0.8 + 0.4 * noise)
    };
    for more in ["", "--unserved-cost 20"] {
        let mut before = [0.0; 5];
        for target in ["1", "0.85", "0.7", "0.55", "0.4", "0.25"] {
            let options = format!("--capacity 20 --target-utilization {target} --startup 10m --max 500 {more}");
            let series = replayed(12, STEP_SECONDS, &options, load);
            for (before, policy) in before.iter_mut().zip(POLICIES) {
                let hours = series["policies"][policy]["replica_hours"].as_f64().unwrap();
                // With a stated cost ratio the target hardly changes the replicas of the forecast.
                let least = if policy == "predictive" || policy == "same_cost" { 1.0 } else { 1.05 };
                assert!(
                    *before <= 0.0 || hours >= least * *before,
                    "{policy} at {target} {more}: {hours} after {before}"
                );
                *before = hours;
            }
        }
    }
}

#[test]
fn a_pool_does_not_flap_at_the_edge_of_a_replica() {
    // Night demand below one replica or near the edge of the second or third one; office hours near the edge of the
    // tenth.
    for (night, spread, step_seconds) in
        [(40.0, 50.0, 300), (85.0, 25.0, 300), (180.0, 40.0, 300), (40.0, 50.0, 60), (280.0, 40.0, 600)]
    {
        let a_day = 86_400 / step_seconds;
        let load = |slot: i64, noise: f64| {
            let office = (a_day * 8 / 24..a_day * 17 / 24).contains(&slot);
            if office { 880.0 + 50.0 * noise } else { night + spread * noise }
        };
        let series = replayed(12, step_seconds, "--capacity 100", load);
        let changes = |policy: &str| series["policies"][policy]["scale_changes_per_day"].as_f64().unwrap();
        // At steps of a minute the reactive rule itself changes eighty times per day.
        assert!(
            changes("predictive") <= (1.25 * changes("reactive")).max(24.0),
            "{night} {spread} {step_seconds}: {} {}",
            changes("predictive"),
            changes("reactive")
        );
    }
}

#[test]
fn impossible_demand_counts_as_missing() {
    let folder = tempdir().unwrap();
    write_demand(&folder.path().join("load.csv"));
    let sound = fs::read_to_string(folder.path().join("load.csv")).unwrap();
    let mut rows: Vec<String> = sound.lines().map(str::to_owned).collect();
    let value = |row: &str, value: &str| format!("{},{value}", row.rsplit_once(',').unwrap().0);
    let whole = |folder: &Path| {
        let ended = run(folder, "replay scaling load.csv --capacity 10".split_whitespace());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["series"][0].clone()
    };
    let before = whole(folder.path());
    assert_eq!(before["notes"], Value::Array(Vec::new()));
    rows[50] = value(&rows[50], "-1");
    rows[80] = value(&rows[80], "NaN");
    rows.push(rows[90].clone());
    // More than a year ahead.
    rows.push(format!("api,{},5", (START + 400 * 86_400) * 1_000));
    fs::write(folder.path().join("load.csv"), rows.join("\n")).unwrap();
    let after = whole(folder.path());
    let notes = after["notes"].to_string();
    for expected in ["1 of 1442 rows have a negative", "1 of 1442 rows repeat", "1 of 1442 rows are far"] {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    assert_eq!(after["scored_from"], before["scored_from"]);
}
