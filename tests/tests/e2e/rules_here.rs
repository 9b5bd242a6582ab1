//! Rules that the service evaluates, and what it wrote read back by remote read in one message.

use std::{fs, thread, time::Duration};

use crate::{
    harness::{Server, almanac},
    ingest::read::{self, PATTERN, Series},
};

const RULES: &str = "groups:
- name: depths
  interval: 1s
  rules:
  - {record: job:depth:max, expr: max by (job) (depth), labels: {level: job}}
  - {alert: Deep, expr: job:depth:max > 5, annotations: {summary: '{{ $labels.job }}: {{ $value }}'}}
  - {alert: Unknown, expr: 'mad_over_time(depth[5m]) > 0'}
";

/// Reads the series of a name pattern.
fn read(service: &Server, pattern: &str) -> Vec<Series> {
    read::read(service, PATTERN, pattern, (0, i64::MAX / 2))
}

#[test]
fn rules_are_evaluated_stored_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("rules.yml"), RULES).unwrap();
    fs::write(folder.join("almanac.toml"), "[alerts]\nrule_files = [\"rules.yml\"]\nevaluate = true\n").unwrap();
    let mut command = almanac(folder);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", "almanac.toml"]);
    let service = Server::from_command(command);
    let now = chrono::Utc::now().timestamp_millis();
    let text = format!("depth{{job=\"mail\",host=\"a\"}} 3 {now}\ndepth{{job=\"mail\",host=\"b\"}} 9 {now}\n");
    assert_eq!(service.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    let mut alerts = service.get("/api/v1/alerts").json();
    for _ in 0..100 {
        if alerts["data"]["alerts"].as_array().is_some_and(|all| !all.is_empty()) {
            break;
        }
        thread::sleep(Duration::from_millis(200));
        alerts = service.get("/api/v1/alerts").json();
    }
    let alert = &alerts["data"]["alerts"][0];
    assert_eq!((alert["state"].as_str(), alert["value"].as_str()), (Some("firing"), Some("9e+00")), "{alerts}");
    assert_eq!(alert["annotations"]["summary"], "mail: 9");
    // The rule with an experimental function is left out and named in the log.
    let rules = service.get("/api/v1/rules").json();
    assert_eq!(rules["data"]["groups"][0]["rules"].as_array().unwrap().len(), 2, "{rules}");
    assert_eq!(rules["data"]["groups"][0]["rules"][0]["health"], "ok");
    let log = service.log().join("\n");
    assert!(log.contains("mad_over_time is experimental") && log.contains("Unknown"), "{log}");

    let series = read(&service, "job:.*|ALERTS.*");
    let names: Vec<&str> = series.iter().map(|one| one.labels[0].value.as_str()).collect();
    assert_eq!(names, ["ALERTS", "ALERTS_FOR_STATE", "job:depth:max"]);
    let recorded = &series[2];
    let labels: Vec<(&str, &str)> =
        recorded.labels[1..].iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
    assert_eq!(labels, [("job", "mail"), ("level", "job")]);
    assert!(recorded.samples.iter().all(|sample| sample.value.total_cmp(&9.0).is_eq() && sample.timestamp % 1000 == 0));
    assert!(read(&service, "nothing").is_empty());
    assert!(service.stop().success());
}
