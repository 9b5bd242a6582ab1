//! `almanac replay threshold`, its figures counted again with a state machine of its own.

use std::{fmt::Write as _, fs, path::Path};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::run;

const MINUTE: i64 = 60_000;
const ROWS: i64 = 8 * 1_440;
const RULES: &str =
    "groups:\n- name: api\n  rules:\n  - alert: High\n    expr: value > 1.2\n    for: 2m\n    keep_firing_for: 3m\n";

struct Row {
    at_ms: i64,
    value: Option<f64>,
    incident: bool,
}

/// Eight days of minutes: noise with lone peaks, an incident of half an hour every eleven hours, gaps.
fn history() -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..ROWS)
        .map(|minute| {
            let incident = minute % 660 >= 400 && minute % 660 < 430;
            let noise = rng.random::<f64>();
            let value = if incident { 2.0 + noise } else { 0.4 + noise.powi(8) * 1.5 + (minute % 37) as f64 / 60.0 };
            Row { at_ms: minute * MINUTE, value: (minute % 101 != 7).then_some(value), incident }
        })
        .collect()
}

fn write_history(path: &Path, rows: &[Row]) {
    let mut text = "timestamp,value,incident\n".to_owned();
    for Row { at_ms, value, incident } in rows {
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        writeln!(text, "{at_ms},{value},{}", u8::from(*incident)).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// What an alert did: times it fired, of these outside of incidents, incidents caught, rows fired outside of incidents.
fn count(rows: &[Row], bound: f64, for_ms: i64, keep_ms: i64) -> (usize, usize, usize, usize) {
    let (mut pending_since, mut kept_since, mut firing): (Option<i64>, Option<i64>, bool) = (None, None, false);
    let (mut alerts, mut false_alerts, mut caught, mut false_rows) = (0, 0, 0, 0);
    let (mut touched, mut this_caught, mut inside) = (false, false, false);
    for row in rows {
        if row.incident && !inside {
            this_caught = false;
        }
        inside = row.incident;
        let holds = row.value.is_some_and(|value| value > bound);
        let was_firing = firing;
        if holds {
            kept_since = None;
            let since = *pending_since.get_or_insert(row.at_ms);
            firing = firing || row.at_ms - since >= for_ms;
        } else {
            // `keep_firing_for` counts from the first evaluation that no longer holds.
            let since = *kept_since.get_or_insert(row.at_ms);
            firing = firing && row.at_ms - since < keep_ms;
            if !firing {
                pending_since = None;
            }
        }
        if firing && !was_firing {
            alerts += 1;
            touched = false;
        }
        if firing {
            touched |= row.incident;
            false_rows += usize::from(!row.incident);
            if row.incident && !this_caught {
                this_caught = true;
                caught += 1;
            }
        }
        if was_firing && !firing && !touched {
            false_alerts += 1;
        }
    }
    (alerts, false_alerts + usize::from(firing && !touched), caught, false_rows)
}

/// `0s`, `5m`, `1h30m` in milliseconds.
fn duration_ms(text: &str) -> i64 {
    let (mut total, mut number) = (0, String::new());
    for c in text.chars() {
        match c {
            'h' => total += 60 * std::mem::take(&mut number).parse::<i64>().unwrap(),
            'm' => total += std::mem::take(&mut number).parse::<i64>().unwrap(),
            's' => assert_eq!(std::mem::take(&mut number), "0", "{text}"),
            digit => number.push(digit),
        }
    }
    total * MINUTE
}

#[test]
fn figures_are_those_of_an_alert_replayed_by_hand() {
    let folder = tempdir().unwrap();
    let rows = history();
    write_history(&folder.path().join("latency.csv"), &rows);
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    let args = ["replay", "threshold", "latency.csv", "--rules", "rules.yml", "--output", "better.yml"];
    let ended = run(folder.path(), args);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rule = &report["rules"][0];
    assert_eq!(rule["alert"], "High");
    let after: Vec<Row> = rows.into_iter().filter(|row| row.at_ms >= ROWS / 2 * MINUTE).collect();
    let weeks = after.len() as f64 / (7.0 * 1_440.0);
    let incidents = after.windows(2).filter(|pair| pair[1].incident && !pair[0].incident).count();
    for name in ["present", "recommended"] {
        let figures = &rule[name];
        let expr = figures["expr"].as_str().unwrap();
        let bound: f64 = expr.strip_prefix("value > ").unwrap().parse().unwrap();
        let (alerts, false_alerts, caught, false_rows) =
            count(&after, bound, duration_ms(figures["for"].as_str().unwrap()), 3 * MINUTE);
        let near = |key: &str, expected: f64| {
            let told = figures[key].as_f64().unwrap();
            assert!((told - expected).abs() < 1e-9 * expected.max(1.0), "{name} {key}: {told} {expected}");
        };
        near("alerts_per_week", alerts as f64 / weeks);
        near("false_alerts_per_week", false_alerts as f64 / weeks);
        near("false_time_share", false_rows as f64 / after.len() as f64);
        assert_eq!(figures["incidents_caught"], caught, "{name}");
        assert_eq!(figures["incidents"], incidents, "{name}");
    }
    let figure = |name: &str, key: &str| rule[name][key].as_f64().unwrap();
    assert!(figure("recommended", "false_alerts_per_week") < figure("present", "false_alerts_per_week"), "{rule}");
    assert!(figure("recommended", "incidents_caught") >= figure("present", "incidents_caught"), "{rule}");
    let written = fs::read_to_string(folder.path().join("better.yml")).unwrap();
    assert!(
        written.contains("alert: High") && written.contains(rule["recommended"]["expr"].as_str().unwrap()),
        "{written}"
    );
}

#[test]
fn several_series_get_a_rule_each() {
    let folder = tempdir().unwrap();
    let mut text = "series,timestamp,value,incident\n".to_owned();
    for row in history() {
        let Some(value) = row.value else { continue };
        writeln!(text, "a,{},{value},{}", row.at_ms, u8::from(row.incident)).unwrap();
        writeln!(text, "b,{},{},{}", row.at_ms, 10.0 * value, u8::from(row.incident)).unwrap();
    }
    fs::write(folder.path().join("two.csv"), text).unwrap();
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    let ended = run(folder.path(), ["replay", "threshold", "two.csv", "--rules", "rules.yml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rules = report["rules"].as_array().unwrap();
    let named: Vec<(&str, bool)> = rules
        .iter()
        .map(|rule| {
            let (series, expr) = (rule["series"].as_str().unwrap(), rule["recommended"]["expr"].as_str().unwrap());
            (series, expr.starts_with(&format!("value{{series=\"{series}\"}} > ")))
        })
        .collect();
    assert_eq!(named, [("a", true), ("b", true)]);
}
