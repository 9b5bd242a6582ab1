//! Checks recommended rule files with `promtool`.

use std::{fmt::Write, fs, path::Path, process::Command};

use crate::harness::run;

const RULES: &str = "groups:
  - name: api
    interval: 1m
    rules:
      - alert: HighLatency
        expr: value > 0.6
        for: 5m
        labels: {severity: page}
        annotations: {summary: 'slow: {{ $value }}'}
      - alert: LowHitRatio
        expr: hit_ratio < 0.7
        for: 10m
        keep_firing_for: 15m
      - alert: Budget
        expr: error_ratio > 0.001
        labels: {severity: page, slo: '99.9'}
";

/// Returns four weeks at five minutes: latency with a daily season, a hit ratio, an error ratio, an incident every
/// third day.
fn history() -> String {
    let mut csv = "series,timestamp,value,incident\n".to_owned();
    let steps = 4 * 7 * 288;
    for step in 0..steps {
        let time_ms = 1_767_571_200_000_i64 + i64::from(step) * 300_000;
        let day = f64::from(step % 288) / 288.0 * std::f64::consts::TAU;
        let noise = f64::from((step * 7919) % 101) / 1000.0;
        let incident = step % 864 >= 500 && step % 864 < 512;
        let latency = 0.4 + 0.15 * day.sin() + noise + if incident { 0.6 } else { 0.0 };
        let ratio = 0.9 - noise - if incident { 0.4 } else { 0.0 };
        writeln!(csv, "api_p95,{time_ms},{latency:.4},{}", u8::from(incident)).unwrap();
        let errors = 0.0002 + 1e-4 * noise + if incident { 0.02 } else { 0.0 };
        writeln!(csv, "error_ratio,{time_ms},{errors:.6},{}", u8::from(incident)).unwrap();
        writeln!(csv, "hit_ratio,{time_ms},{ratio:.4},{}", u8::from(incident)).unwrap();
    }
    csv
}

/// A recommended rule file is valid for Prometheus.
#[test]
fn recommended_rules_pass_promtool() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("history.csv"), history()).unwrap();
    fs::write(folder.join("rules.yml"), RULES).unwrap();
    for more in [&[][..], &["--moving-bounds"]] {
        let call = ["replay", "threshold", "history.csv", "--rules", "rules.yml", "--output", "recommended.yml"];
        let ended = run(folder, call.iter().chain(more));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let recommended = fs::read_to_string(folder.join("recommended.yml")).unwrap();
        assert!(recommended.contains("HighLatency") && recommended.contains("LowHitRatio"), "{recommended}");
        assert!(recommended.contains("almanac:bound:budget:1h > 0.0144"), "{recommended}");
        check(&folder.join("recommended.yml"), &recommended);
    }
}

fn check(file: &Path, text: &str) {
    let checked = Command::new("promtool").args(["check", "rules"]).arg(file).output();
    let checked = checked.unwrap_or_else(|error| panic!("promtool does not start ({error}): run scripts/peers.sh"));
    let output = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && output.contains("SUCCESS"), "{output}\n{text}");
}
