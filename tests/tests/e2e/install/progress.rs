//! Progress bars: on a terminal with rate and time left, elsewhere not at all.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::harness::run;

const PROGRAM: &str = env!("CARGO_BIN_EXE_almanac-under-test");

/// Runs the program with a terminal of 120 columns, made by `script` of util-linux, and returns what the terminal got.
fn on_a_terminal(folder: &Path, arguments: &str) -> String {
    let command = format!("stty cols 120; {PROGRAM} {arguments}");
    let ended = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn a_terminal_shows_rate_and_time_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "series,timestamp,value\n".to_owned();
    for series in 0..4 {
        for row in 0..20_000_i64 {
            writeln!(text, "s{series},{},{}", 1_767_225_600_000 + row * 60_000, row % 97).unwrap();
        }
    }
    fs::write(folder.path().join("load.csv"), text).unwrap();
    let imported = on_a_terminal(folder.path(), "import load.csv");
    for part in ["load.csv", "80,000 samples", "/s, ", " left"] {
        assert!(imported.contains(part), "{part:?} is missing in {imported:?}");
    }
    let scored = on_a_terminal(folder.path(), "detect load.csv");
    for part in ["scoring", "/4 series", "/s, ", " left"] {
        assert!(scored.contains(part), "{part:?} is missing in {:?}", &scored[..scored.len().min(2_000)]);
    }
    let waited = on_a_terminal(folder.path(), "sql 'SELECT count(*) FROM samples'");
    assert!(waited.contains("running the statement") && waited.contains("so far"), "{waited:?}");

    let plain = run(folder.path(), ["sql", "SELECT count(*) AS n FROM samples", "--format", "csv"]);
    assert_eq!((plain.stdout.as_str(), plain.stderr.as_str()), ("n\n80000\n", ""));
}
