//! `almanac grafana export` as a careful and as a careless person calls it.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::run;

/// Files of an export.
const FILES: [&str; 7] = [
    "dashboards/almanac.yaml",
    "dashboards/almanac/api.json",
    "dashboards/almanac/experience.json",
    "dashboards/almanac/system.json",
    "datasources/almanac.yaml",
    "rules/application.yml",
    "rules/predicted.yml",
];

#[test]
fn an_export_can_be_repeated_and_names_no_token() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), "[server]\ntoken = \"secret-token\"\nlisten = \"127.0.0.1:4711\"\n")
        .unwrap();
    let first = run(folder.path(), ["grafana", "export", "out", "--folder", "Team: $A"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("7 files written"), "{}", first.stderr);
    for file in FILES {
        let text = fs::read_to_string(folder.path().join("out").join(file)).unwrap();
        assert!(!text.contains("secret-token"), "{file}");
        assert_eq!(text.contains("http://127.0.0.1:4711"), file.starts_with("datasources"), "{file}");
    }
    let provider = fs::read_to_string(folder.path().join("out/dashboards/almanac.yaml")).unwrap();
    let path = folder.path().canonicalize().unwrap().join("out/dashboards/almanac");
    assert!(provider.contains(path.to_str().unwrap()) && provider.contains("Team: $$A"), "{provider}");
    let again = run(folder.path(), ["grafana", "export", "out", "--folder", "Team: $A"]);
    assert!(again.stderr.contains("0 files written") && again.stderr.contains("7 unchanged"), "{}", again.stderr);
    let moved = run(
        folder.path(),
        ["grafana", "export", "out", "--url", "https://almanac/x/", "--mounted-at", "/etc/grafana/provisioning"],
    );
    assert!(moved.stderr.contains("2 files written"), "{}", moved.stderr);
    let sources = fs::read_to_string(folder.path().join("out/datasources/almanac.yaml")).unwrap();
    assert!(sources.contains("url: \"https://almanac/x\"") && sources.contains("Bearer $ALMANAC_TOKEN"), "{sources}");
}

#[test]
fn a_foreign_file_stops_the_export_before_anything_is_written() {
    let folder = tempdir().unwrap();
    let foreign = folder.path().join("out/rules/predicted.yml");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "groups: []\n").unwrap();
    let refused = run(folder.path(), ["grafana", "export", "out"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("predicted.yml exists and was not written by"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1);
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "groups: []\n");
    assert!(!folder.path().join("out/dashboards").exists());
}

#[test]
fn wrong_calls_are_one_readable_line() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let check = |args: &[&str], part: &str| {
        let ended = run(folder.path(), ["grafana", "export"].iter().chain(args));
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part) && ended.stderr.lines().count() == 1, "{args:?}: {}", ended.stderr);
    };
    check(&[], "<DIR>");
    check(&["file"], "file is a file; name a folder");
    check(&["out", "--url", "almanac:9797"], "--url \"almanac:9797\"");
    check(&["out", "--url", "http://user:secret@almanac"], "user or password");
    check(&["out", "--folder", " "], "--folder");
    check(&["out", "--mounted-at", "relative"], "not an absolute path");
    check(&["out", "--config", "absent.toml"], "absent.toml");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn identifiers_are_stable_and_dashboards_are_classic() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), ["grafana", "export", "out"]).code, Some(0));
    for (file, uid) in [("api", "almanac-api"), ("experience", "almanac-experience"), ("system", "almanac-system")] {
        let text = fs::read_to_string(folder.path().join(format!("out/dashboards/almanac/{file}.json"))).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(board["uid"], uid);
        assert_eq!(board["schemaVersion"], 39, "the classic schema");
        for key in ["apiVersion", "kind", "metadata", "spec"] {
            assert!(board.get(key).is_none(), "{key} belongs to the second schema");
        }
        let names: Vec<&str> =
            board["annotations"]["list"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names[1..], ["Anomalies", "Deploys", "Incidents", "Recommendations"]);
    }
}
