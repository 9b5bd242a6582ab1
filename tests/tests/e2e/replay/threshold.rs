//! `almanac replay threshold`: its figures are counted again with an independent state machine.

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

/// Eight days of minutes: noise with single peaks, an incident of half an hour every eleven hours, gaps.
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

/// Replays a rule `value > bound`. Returns alerts, false alerts, caught incidents, and firing rows outside of
/// incidents.
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

/// Parses `0s`, `5m` or `1h30m` to milliseconds.
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
fn figures_match_an_independent_replay() {
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
            let reported = figures[key].as_f64().unwrap();
            assert!((reported - expected).abs() < 1e-9 * expected.max(1.0), "{name} {key}: {reported} {expected}");
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
fn each_series_gets_its_own_rule() {
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

/// Writes rows of `(value, incident)` at one-minute steps, without the column `incident` when unlabelled.
fn write_minutes(path: &Path, rows: impl Iterator<Item = (f64, Option<bool>)>) {
    let mut text = String::new();
    for (minute, (value, incident)) in (0_i64..).zip(rows) {
        if minute == 0 {
            text.push_str(if incident.is_some() { "timestamp,value,incident\n" } else { "timestamp,value\n" });
        }
        let label = incident.map(|incident| format!(",{}", u8::from(incident))).unwrap_or_default();
        writeln!(text, "{},{value}{label}", minute * MINUTE).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// Returns the report on one rule over a file.
fn report(expr: &str, rows: impl Iterator<Item = (f64, Option<bool>)>) -> Value {
    let folder = tempdir().unwrap();
    write_minutes(&folder.path().join("s.csv"), rows);
    let rules = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: '{expr}'\n");
    fs::write(folder.path().join("r.yml"), rules).unwrap();
    let ended = run(folder.path(), ["replay", "threshold", "s.csv", "--rules", "r.yml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{expr}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Returns whether a minute lies in one of the labelled incidents: forty minutes every 700.
fn labelled(minute: i64) -> bool {
    minute % 700 >= 600 && minute % 700 < 640
}

#[test]
fn a_bound_that_can_hardly_fire_is_never_recommended() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let noise: Vec<f64> = (0..ROWS).map(|_| rng.random::<f64>()).collect();
    let noise = |minute: i64| noise[usize::try_from(minute).unwrap()];
    // States with unlabelled outages, while other incidents are labelled.
    for (expr, normal, outage) in
        [("value < 1", 1.0, 0.0), ("value < 0.5", 1.0, 0.0), ("value > 0", 0.0, 1.0), ("value <= 2", 3.0, 2.0)]
    {
        let rows = (0..ROWS).map(|minute| {
            let down = minute % 3_000 >= 500 && minute % 3_000 < 520;
            (if down { outage } else { normal }, Some(labelled(minute)))
        });
        let rule = &report(expr, rows)["rules"][0];
        assert_eq!(
            (rule["changed"].as_bool(), rule["recommended"]["expr"].as_str()),
            (Some(false), Some(expr)),
            "{rule}"
        );
    }
    // A ratio that drops only outside of the incidents: nothing is caught.
    let dips = (0..ROWS).map(|minute| {
        (if minute % 61 == 7 && !labelled(minute) { 0.92 } else { 0.96 + 0.04 * noise(minute) }, Some(labelled(minute)))
    });
    let rule = &report("value < 0.95", dips)["rules"][0];
    assert_eq!(rule["changed"], false, "{rule}");
    // With and without labels, some value of the training half passes the recommended bound.
    for (expr, of) in [
        ("value > 90", Box::new(|n: f64| 100.0 * n.powf(0.1)) as Box<dyn Fn(f64) -> f64>),
        ("value >= 0.9", Box::new(|n: f64| n.powf(0.2))),
        ("value < 0.95", Box::new(|n: f64| 1.0 - 0.3 * n.powi(6))),
        ("value > 5", Box::new(|n: f64| (30.0 * n.powi(8)).floor())),
    ] {
        for with_labels in [false, true] {
            let values: Vec<f64> = (0..ROWS)
                .map(|minute| {
                    let lift = with_labels && labelled(minute) && minute % 2 == 0;
                    of(if lift { 0.9 + 0.1 * noise(minute) } else { noise(minute) })
                })
                .collect();
            let rows =
                values.iter().zip(0_i64..).map(|(&value, minute)| (value, with_labels.then(|| labelled(minute))));
            let rule = report(expr, rows)["rules"][0].clone();
            let recommended = rule["recommended"]["expr"].as_str().unwrap();
            let (comparison, bound) = recommended.strip_prefix("value ").unwrap().split_once(' ').unwrap();
            let bound: f64 = bound.parse().unwrap();
            let passes = |value: &f64| match comparison {
                ">" => *value > bound,
                ">=" => *value >= bound,
                _ => *value < bound,
            };
            assert!(values[..values.len() / 2].iter().any(passes), "{recommended}: {rule}");
        }
    }
}

#[test]
fn of_equally_good_bounds_the_nearest_is_recommended() {
    // The bound is 1 s. Values are below 0.6 apart from one peak of 1.05 a day; incidents are at 20.
    let rows = (0..ROWS).map(|minute| {
        let value = match minute {
            _ if labelled(minute) => 20.0,
            _ if minute % 1_440 == 100 => 1.05,
            _ => 0.5 + (minute % 11) as f64 / 110.0,
        };
        (value, Some(labelled(minute)))
    });
    let rule = &report("value > 1", rows)["rules"][0];
    let expr = rule["recommended"]["expr"].as_str().unwrap();
    let bound: f64 = expr.strip_prefix("value > ").unwrap().parse().unwrap();
    assert!((1.0..3.0).contains(&bound), "{rule}");
    let (present, recommended) = (&rule["present"], &rule["recommended"]);
    assert!(recommended["incidents_caught"].as_u64() >= present["incidents_caught"].as_u64(), "{rule}");
    assert!(rule["lead_change_seconds"].as_f64().is_none_or(|change| change > -61.0), "{rule}");
}

#[test]
fn supported_rules_are_replayed_and_others_kept() {
    let folder = tempdir().unwrap();
    let mut text = "series,timestamp,value,incident\n".to_owned();
    for row in history() {
        let Some(value) = row.value else { continue };
        writeln!(text, "latency,{},{value},{}", row.at_ms, u8::from(row.incident)).unwrap();
        writeln!(text, "traffic,{},{},0", row.at_ms, row.at_ms / MINUTE % 120).unwrap();
    }
    fs::write(folder.path().join("two.csv"), text).unwrap();
    let rules = "
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: demo, labels: {role: alert-rules}}
spec:
  groups:
  - name: g
    partial_response_strategy: warn
    rules:
    - {alert: Guarded, expr: latency > 1.2 and traffic > 10}
    - {alert: Power, expr: 'latency > 2 ^ 0.25'}
    - {alert: Left, expr: '(1_000 / 1e3 < latency) unless traffic == 0'}
    - {alert: Offset, expr: latency offset 5m > 1.2}
    - {alert: Either, expr: latency > 1.2 or traffic > 200}
    - {alert: State, expr: traffic == 0}
    - {alert: Gone, expr: absent(latency)}
    - {alert: Broken, expr: 'latency > ('}
    - {alert: Late, expr: latency > 1, for: soon}
";
    fs::write(folder.path().join("r.yml"), rules).unwrap();
    let ended = run(folder.path(), ["replay", "threshold", "two.csv", "--rules", "r.yml", "--output", "out.yml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&report["rules"]), ["Guarded", "Power", "Left", "Offset", "Either"]);
    assert_eq!(names(&report["kept_as_they_are"]), ["State", "Gone", "Broken", "Late"]);
    let recommended = report["rules"][0]["recommended"]["expr"].as_str().unwrap();
    assert!(recommended.starts_with("latency > ") && recommended.ends_with(" and traffic > 10"), "{recommended}");
    let skipped: Vec<bool> =
        report["kept_as_they_are"].as_array().unwrap().iter().map(|rule| rule["skipped"] == true).collect();
    assert_eq!(skipped, [false, false, true, true]);
    assert!(!ended.stdout.contains("serde") && !ended.stdout.contains("RuleFile"), "{}", ended.stdout);
    let written = fs::read_to_string(folder.path().join("out.yml")).unwrap();
    for part in
        ["kind: PrometheusRule", "role: alert-rules", "partial_response_strategy: warn", "for: soon", recommended]
    {
        assert!(written.contains(part), "{part}: {written}");
    }
}
