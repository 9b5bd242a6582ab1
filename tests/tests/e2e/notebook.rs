//! Runs the whole demo, and executes the analysts' notebook against it.

use std::{path::Path, process::Command};

use super::harness::{Server, almanac, run};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Executes a notebook and prints the number of its pictures.
const EXECUTE: &str = r#"
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
print(sum("image/png" in output.get("data", {}) for output in outputs))
"#;

#[test]
fn notebook_is_executed_against_the_running_demo() {
    let home = tempfile::tempdir().unwrap();
    let setup = Command::new(project().join("scripts/notebook-venv.sh")).output().unwrap();
    assert!(setup.status.success(), "{}", String::from_utf8_lossy(&setup.stderr));
    let python = String::from_utf8(setup.stdout).unwrap();
    let mut command = almanac(home.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let demo = Server::from_command(command);
    let ended = Command::new(python.trim())
        .args(["-c", EXECUTE])
        .arg(project().join("notebooks/first_look.ipynb"))
        .env("ALMANAC_URL", &demo.url)
        .env("HOME", home.path())
        .env("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{stderr}\n{:#?}", demo.log());
    assert_eq!(String::from_utf8_lossy(&ended.stdout).trim(), "2", "{stderr}");
    let kinds = demo.sql("SELECT DISTINCT kind FROM recommendations ORDER BY kind");
    assert_eq!(kinds, serde_json::json!([["rightsizing"], ["scaling"], ["ttl"]]));
    // No alert of the recording has a better bound: `kept` is a verdict with a row.
    let kept = demo.sql("SELECT DISTINCT kind FROM advice_status WHERE state = 'kept' AND kind = 'threshold'");
    assert_eq!(kept, serde_json::json!([["threshold"]]));
    assert!(demo.stop().success());
}

#[test]
fn demo_once_prints_all_kinds_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let ended = run(home.path(), ["demo", "--once", "--log", "warn"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for words in [
        "SCALING · api",
        "RIGHTSIZING · api",
        "TIME-TO-LIVE · ",
        "threshold ApiLatency",
        "times faster than real time",
        "season found",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in\n{}", ended.stdout);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "the store must be in a temporary folder");
}
