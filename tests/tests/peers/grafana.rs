//! Grafana's own packages from npm: its Prometheus data source on a service, and its schema on the exported dashboards.
//! `scripts/grafana-client.sh` installs them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use super::harness::{Server, run};

const MINUTE_MS: u64 = 60_000;
/// Minutes of data.
const MINUTES: u64 = 60;

/// Returns the folder with Grafana's packages and the programs that use them.
fn client() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/grafana-client.sh");
    let ended = Command::new(script).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    PathBuf::from(String::from_utf8(ended.stdout).unwrap().trim())
}

/// Runs a program of the folder; returns its output.
fn node(folder: &Path, args: &[&str]) -> String {
    let ended = Command::new("node").args(args).current_dir(folder).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{args:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// Health, labels, variables, ad-hoc filters, range and instant queries, annotations, metadata.
#[test]
fn grafanas_prometheus_source_works() {
    let client = client();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let to_ms = now_ms - now_ms % MINUTE_MS;
    let from_ms = to_ms - MINUTES * MINUTE_MS;
    let mut text =
        "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n# TYPE cpu gauge\n".to_owned();
    for minute in 0..=MINUTES {
        let at = from_ms + minute * MINUTE_MS;
        let busy = if (20..=30).contains(&minute) { 2.0 } else { 0.2 };
        writeln!(text, "cpu{{host=\"web-1\",job=\"api\"}} 0.5 {at}\ncpu{{host=\"web-2\",job=\"api\"}} {busy} {at}")
            .unwrap();
        writeln!(text, "http_requests_total{{job=\"api\",handler=\"/\"}} {} {at}", 60 * minute).unwrap();
    }
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    let (from, to) = (from_ms.to_string(), to_ms.to_string());
    let output = node(&client, &["client.mjs", "bundle.js", &server.url, &from, &to]);
    assert_eq!(output.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{output}");
}

#[test]
fn dashboards_have_the_types_of_grafanas_schema() {
    let client = client();
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["grafana", "export", "."]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let boards = folder.path().join("dashboards/almanac");
    let paths: Vec<String> =
        ["api", "experience", "system"].map(|name| boards.join(format!("{name}.json")).display().to_string()).into();
    let args: Vec<&str> = ["schema.mjs"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let output = node(&client, &args);
    assert_eq!(output.matches("ok 3 dashboards").count(), 3, "{output}");
    // A check that accepts everything would pass too.
    for (sound, broken) in [("\"lineWidth\"", "\"lineWeight\""), ("\"multi\"", "\"single\""), ("\"list\"", "\"lists\"")]
    {
        let text = fs::read_to_string(&paths[0]).unwrap();
        assert!(text.contains(sound), "{sound}");
        let path = folder.path().join("broken.json");
        fs::write(&path, text.replacen(sound, broken, 1)).unwrap();
        let ended = Command::new("node").args(["schema.mjs", "13"]).arg(&path).current_dir(&client).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{broken} is accepted");
    }
}

#[test]
fn exported_rules_pass_promtool() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), ["grafana", "export", "."]).code, Some(0));
    for (file, rules) in [("application.yml", 12), ("predicted.yml", 13)] {
        let path = folder.path().join("rules").join(file);
        let ended = Command::new("promtool").args(["check", "rules"]).arg(&path).output().unwrap();
        let output = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{output}");
        assert!(output.contains(&format!("{rules} rules found")), "{output}");
    }
}
