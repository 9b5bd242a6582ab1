//! `almanac check-config` on valid and faulty configurations.

use std::fs;

use crate::harness::run;

const FILE: &str = r#"
[store]
retention = { raw = "30d" }
[[scrape]]
job = "node"
targets = ["127.0.0.1:9100"]
[[workload]]
name = "api"
demand = 'sum(rate(http_requests_total[1m]))'
capacity_per_replica = 120
[alerts]
rule_files = ["rules.yml"]
"#;

const RULES: &str = "groups:\n- name: g\n  rules:\n  - {alert: Slow, expr: latency > 0.5, for: 5m}\n  - {alert: Gone, expr: absent(up)}\n";

#[test]
fn each_section_is_explained_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), FILE).unwrap();
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    let ended = run(folder.path(), ["check-config"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for line in [
        "Configuration of almanac.toml.",
        "  Listens on http://127.0.0.1:9797, for programs of this machine only.",
        "  Deletes samples after 30d, at most 20 % of a table in one round.",
        "  node: reads http://127.0.0.1:9100/metrics every 15s, up to 200000 samples a page.",
        "  Reads rules from rules.yml: 1 alert with advice, 1 rule without.",
        "  Slow: Recommends another bound than latency > 0.5 for 5m, scored on incidents that its labels select.",
        "No fault was found; almanac serve accepts this configuration.",
    ] {
        assert!(ended.stdout.lines().any(|found| found == line), "{line:?} is missing in\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("  Gone: stays as it is: "), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("  api: Recommends 1 to 200 replicas from the last 28d of sum(rate("),
        "{}",
        ended.stdout
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a file was made");
}

#[test]
fn without_a_file_the_defaults_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["check-config"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("There is no almanac.toml here, so that every key has its default."));
    assert!(ended.stdout.contains("Deletes nothing: retention is not set."), "{}", ended.stdout);
}

#[test]
fn a_fault_is_one_readable_line_and_exit_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("almanac.toml");
    let check = |text: &str, args: &[&str], expected: &str| {
        fs::write(&file, text).unwrap();
        let ended = run(folder.path(), [&["check-config"], args].concat());
        assert_eq!(ended.code, Some(2), "{text}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.starts_with("almanac: ") && ended.stderr.contains(expected), "{text}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    };
    check("[store]\nretentoin = 1", &[], "line 2, column 1: unknown key \"retentoin\"; did you mean \"retention\"?");
    check("[[signal]]\nname = \"a\"\nexpr = \"sum(\"", &[], "signal \"a\": ");
    check("[store\n", &[], "almanac.toml line 1");
    check("[alerts]\nrule_files = [\"gone.yml\"]", &[], "gone.yml could not be read");
    check("[store]\npath = \"/nowhere/a.duckdb\"", &[], "mkdir -p /nowhere");
    check("[server]\nlisten = \"0.0.0.0:1\"", &[], "can be reached from other machines, so it needs a token and TLS");
    check("[server]\ntls_cert = \"a.pem\"\ntls_key = \"b.pem\"", &[], "a.pem could not be read");
    check("", &["--config", "other.toml"], "other.toml could not be read");
    check("", &["--listen", "here"], "invalid socket address");
    // The further faults of a file are lines before the last one.
    fs::write(&file, "[store]\npath = \"/nowhere/a\"\n[alerts]\nrule_files = [\"gone.yml\"]").unwrap();
    let ended = run(folder.path(), ["check-config"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 2), "{}", ended.stderr);
}
