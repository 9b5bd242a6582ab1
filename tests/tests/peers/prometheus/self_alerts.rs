//! The alerts on Almanac itself: promtool accepts them, each fires on what it is for, none on a healthy service, and their
//! metrics are documented.

use std::{collections::BTreeSet, fmt::Write, fs, process::Command};

use crate::harness::project;

/// Of a healthy service: series and values, in promtool's notation, each five minutes for 13 hours.
const HEALTHY: &[(&str, &str)] = &[
    ("up", "1x156"),
    ("almanac_store_ready", "1x156"),
    ("almanac_store_samples_lost", "0x156"),
    ("almanac_store_damaged_blocks_total", "0x156"),
    ("almanac_store_disk_free_bytes", "90000000000-5000000x156"),
    ("almanac_store_commits_failed_total", "0x156"),
    ("almanac_store_commits_total", "0+300x156"),
    ("almanac_store_commit_duration_seconds_total", "0+10x156"),
    ("almanac_store_queue_bytes", "1000x156"),
    ("almanac_store_queue_limit_bytes", "67108864x156"),
    ("almanac_store_busy_total", "0x156"),
    ("almanac_ingest_refused_total{reason=\"old\"}", "0x156"),
    ("almanac_store_newest_sample_timestamp_seconds", "0+300x156"),
    ("almanac_store_series", "1000x156"),
    ("almanac_store_series_limit", "1000000x156"),
    ("almanac_store_series_refused_total", "0x156"),
    ("almanac_store_samples_hot", "5000x156"),
    ("almanac_store_compactions_total", "0+0.1x156"),
    ("almanac_store_wal_bytes", "60000000x156"),
    ("almanac_store_rows_held", "0x156"),
    ("almanac_task_failures_total{task=\"learn\"}", "0x156"),
    ("almanac_task_panics_total{task=\"learn\"}", "0x156"),
    ("almanac_clock_leap_seconds", "0x156"),
    ("almanac_http_requests_total{status=\"200\"}", "0+500x156"),
    ("almanac_http_requests_total{status=\"503\"}", "0+5x156"),
    ("almanac_webhook_dead_total{webhook=\"chat\"}", "0x156"),
];

/// What goes wrong: the series, what it has instead, and the alerts that fire at the end.
const FAULTS: &[(&str, &str, &[&str])] = &[
    ("up", "0x156", &["AlmanacDown"]),
    ("almanac_store_ready", "1x150 0x6", &["AlmanacNotReady"]),
    ("almanac_store_samples_lost", "12x156", &["AlmanacDataLost"]),
    ("almanac_store_damaged_blocks_total", "0x152 1x4", &["AlmanacDataDamaged"]),
    ("almanac_store_disk_free_bytes", "90000000000-575000000x156", &["AlmanacDiskAlmostFull", "AlmanacDiskFullSoon"]),
    ("almanac_store_commits_failed_total", "0x148 0+5x8", &["AlmanacCommitsFail"]),
    ("almanac_store_commit_duration_seconds_total", "0+250x156", &["AlmanacCommitsSlow"]),
    ("almanac_store_queue_bytes", "60000000x156", &["AlmanacQueueFull"]),
    ("almanac_store_busy_total", "0+5x156", &["AlmanacRefusesBatches"]),
    ("almanac_ingest_refused_total{reason=\"old\"}", "0+3000x156", &["AlmanacRefusesSamples"]),
    ("almanac_store_newest_sample_timestamp_seconds", "0+300x140 42000x16", &["AlmanacNoSamples"]),
    ("almanac_store_series", "950000x156", &["AlmanacSeriesNearLimit"]),
    ("almanac_store_series_refused_total", "0x148 0+25x8", &["AlmanacRefusesSeries"]),
    ("almanac_store_compactions_total", "7x156", &["AlmanacCompactionStopped"]),
    ("almanac_store_wal_bytes", "300000000x156", &["AlmanacLogLarge"]),
    ("almanac_store_rows_held", "9x156", &["AlmanacRowsHeld"]),
    ("almanac_task_failures_total{task=\"learn\"}", "0+5x156", &["AlmanacTaskFails"]),
    ("almanac_task_panics_total{task=\"learn\"}", "0x152 1x4", &["AlmanacTaskPanics"]),
    ("almanac_clock_leap_seconds", "-3600x156", &["AlmanacClockLeaps"]),
    ("almanac_http_requests_total{status=\"503\"}", "0+100x156", &["AlmanacAnswersErrors"]),
    ("almanac_webhook_dead_total{webhook=\"chat\"}", "0x152 2x4", &["AlmanacNoticesLost"]),
];

fn rules() -> String {
    fs::read_to_string(project().join("docs/deploy/alerts.yml")).unwrap()
}

fn alerts() -> Vec<String> {
    rules().lines().filter_map(|line| Some(line.trim().strip_prefix("- alert: ")?.to_owned())).collect()
}

/// Returns a case of promtool: the healthy series with one replaced, and at the end the alerts that fire, none of the others.
fn case(name: &str, fault: Option<(&str, &str)>, firing: &[&str]) -> String {
    let mut text = format!("- name: {name}\n  interval: 5m\n  input_series:\n");
    for (series, values) in HEALTHY {
        let values = fault.filter(|(of, _)| of == series).map_or(*values, |(_, values)| values);
        let labelled = match series.split_once('{') {
            Some((metric, rest)) => format!("{metric}{{job=\"almanac\",instance=\"a\",{rest}"),
            None => format!("{series}{{job=\"almanac\",instance=\"a\"}}"),
        };
        writeln!(text, "  - {{series: '{labelled}', values: '{values}'}}").unwrap();
    }
    // Whether an alert fires is a series itself, so that labels and annotations need no repetition.
    text.push_str("  promql_expr_test:\n");
    for alert in alerts() {
        let expected = if firing.contains(&alert.as_str()) { "[{labels: '{}', value: 1}]" } else { "[]" };
        writeln!(
            text,
            "  - {{expr: 'sum(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})', eval_time: 775m, exp_samples: {expected}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn each_alert_fires_on_its_fault_alone() {
    let covered: BTreeSet<&str> = FAULTS.iter().flat_map(|(.., alerts)| alerts.iter().copied()).collect();
    let all = alerts();
    assert_eq!(covered, all.iter().map(String::as_str).collect(), "every alert has a fault");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("alerts.yml"), rules()).unwrap();
    let mut test =
        "rule_files: [alerts.yml]\nevaluation_interval: 5m\ntests:\n".to_owned() + &case("healthy", None, &[]);
    for (series, values, firing) in FAULTS {
        test.push_str(&case(firing[0], Some((series, values)), firing));
    }
    fs::write(folder.path().join("test.yml"), &test).unwrap();
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "test.yml"]] {
        let done = Command::new("promtool").args(args).current_dir(folder.path()).output();
        let done = done.unwrap_or_else(|error| panic!("promtool does not start ({error}): run scripts/peers.sh"));
        let output = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && output.contains("SUCCESS"), "{args:?}: {output}");
    }
}

/// A test of the service compares the document with its metrics.
#[test]
fn the_metrics_of_the_alerts_are_documented() {
    let document = fs::read_to_string(project().join("docs/operators.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `almanac_")?.split_once('`'));
    let known: BTreeSet<String> = rows.map(|(name, _)| format!("almanac_{name}")).collect();
    let rules = rules();
    let used = rules.lines().filter(|line| !line.contains("summary:"));
    let names: BTreeSet<&str> = used
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with("almanac_"))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(known.contains(name.strip_suffix("_total").unwrap_or(name)), "{name} is not in docs/operators.md");
    }
}
