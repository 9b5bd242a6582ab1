//! Runs the whole demo, and executes the analysts' notebooks against it.

use std::net::{TcpListener, TcpStream};

use super::harness::{Server, almanac, execute_notebook, notebook_python, project, run};

/// Notebooks, the number of their pictures, and a part of a sentence that each computes.
const NOTEBOOKS: [(&str, usize, &str); 5] = [
    ("first_look.ipynb", 2, "of the others"),
    ("forecasts.ipynb", 2, "has the least error"),
    ("scaling.ipynb", 5, "in the evidence of the recommendation"),
    ("caches.ipynb", 2, "is 0.00 percentage points of hits"),
    ("incidents.ipynb", 3, "rules should have another bound"),
];

#[test]
fn notebooks_are_executed_against_the_running_demo() {
    let home = tempfile::tempdir().unwrap();
    let python = notebook_python(false);
    let mut command = almanac(home.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let demo = Server::from_command(command);
    for (name, pictures, sentence) in NOTEBOOKS {
        let shown = execute_notebook(&python, name, home.path(), &[("ALMANAC_URL", &demo.url)]);
        assert!(shown.trim_end().ends_with(&format!("pictures: {pictures}")), "{name}:\n{shown}");
        assert!(shown.contains(sentence), "{name}: {sentence:?} is missing in\n{shown}");
    }
    let kinds = demo.sql("SELECT DISTINCT kind FROM recommendations ORDER BY kind");
    let expected = ["batch", "index", "pool", "query", "rightsizing", "scaling", "settings", "ttl"];
    assert_eq!(kinds, serde_json::json!(expected.map(|kind| [kind])));
    // No alert of the recording has a better bound: `kept` is a verdict with a row.
    let kept = demo.sql("SELECT DISTINCT kind FROM advice_status WHERE state = 'kept' AND kind = 'threshold'");
    assert_eq!(kept, serde_json::json!([["threshold"]]));
    assert!(demo.stop().success());
}

#[test]
fn every_notebook_is_executed_and_committed_without_outputs() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(project().join("notebooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "ipynb") {
            let notebook: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for cell in notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "code") {
                assert_eq!(cell["outputs"], serde_json::json!([]), "{}", path.display());
            }
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    let mut executed = NOTEBOOKS.map(|(name, ..)| name);
    found.sort();
    executed.sort_unstable();
    assert_eq!(found, executed);
}

#[test]
fn the_first_cell_starts_a_demo_that_ends_with_the_notebook() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shown = execute_notebook(
        &notebook_python(false),
        "first_look.ipynb",
        home.path(),
        &[("ALMANAC_LISTEN", &free.to_string())],
    );
    assert!(shown.contains("a demo is started") && shown.trim_end().ends_with("pictures: 2"), "{shown}");
    assert!(TcpStream::connect(free).is_err(), "the demo still serves");
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
        // What was planted in the application is found, with the change.
        "INDEXES · app:",
        "CREATE INDEX CONCURRENTLY tasks_status_due_at_idx ON tasks (status, due_at)",
        "DROP INDEX CONCURRENTLY tasks_owner",
        "QUERIES · app:n_plus_one/",
        "SELECT id, name, email FROM users WHERE id = ANY($1)",
        "SETTINGS · app:work_mem",
        "ALTER DATABASE app SET work_mem = ",
        "ROWS OF A STATEMENT · calendar_events",
        "CONNECTION POOLS · orm",
        "CONNECTION POOLS · worker",
        " (recommended)",
        "times faster than real time",
        "season found",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in\n{}", ended.stdout);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "the store must be in a temporary folder");
}
