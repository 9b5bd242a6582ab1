//! Makes Python environments, and executes the analysts' notebooks in theirs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Executes a notebook in its folder, and prints what it shows and the number of its pictures.
const EXECUTE: &str = r#"
import pathlib, sys, nbformat
from nbclient import NotebookClient
path = pathlib.Path(sys.argv[1])
notebook = nbformat.read(path, as_version=4)
NotebookClient(notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
for output in outputs:
    data = output.get("data", {})
    print(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
print("pictures:", sum("image/png" in output.get("data", {}) for output in outputs))
"#;

/// Returns the root of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns the Python of the notebooks' environment; `peers`: the one with statsforecast.
pub(crate) fn notebook_python(peers: bool) -> PathBuf {
    let mut setup = Command::new(project().join("scripts/notebook-venv.sh"));
    setup.args(peers.then_some("peers"));
    let made = setup.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().into()
}

/// Returns the Python of an environment with the requirements of a file of the project.
pub(crate) fn venv_python(name: &str, requirements: &str) -> PathBuf {
    let mut setup = Command::new(project().join("scripts/python-venv.sh"));
    let made = setup.arg(name).arg(project().join(requirements)).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().into()
}

/// Executes a notebook with these environment variables, in a home of its own. Returns what it shows; the last line is the
/// number of its pictures.
pub(crate) fn execute_notebook(python: &Path, name: &str, home: &Path, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(python);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALMANAC_")) {
        command.env_remove(name);
    }
    command
        .args(["-c", EXECUTE])
        .arg(project().join("notebooks").join(name))
        .env("ALMANAC_PROGRAM", env!("CARGO_BIN_EXE_almanac-under-test"))
        .env("HOME", home)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let ended = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{name}: {stderr}");
    String::from_utf8(ended.stdout).unwrap()
}
