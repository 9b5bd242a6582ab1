//! Turns a page of the documents into a script of its commands, and runs it in an empty folder.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    process::{Command, Output},
};

/// Returns the page's `sh` blocks as one script; a block with `file=NAME` is written to that file at its place. `peers`: also
/// the blocks for which Prometheus has to be installed, `sh prometheus`.
fn script(page: &str, peers: bool) -> String {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    // Every second part is inside a code fence.
    for block in page.split("```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        if kind == "sh" || (peers && kind == "sh prometheus") {
            script.push_str(body);
        } else if let Some((_, file)) = kind.split_once(" file=") {
            script.push_str(&format!("cat > {file} <<'FILE'\n{body}FILE\n"));
        }
    }
    script
}

/// Runs the commands of `docs/getting-started.md` with the program under test, on free ports instead of the page's.
pub(crate) fn follow_getting_started(peers: bool) -> Output {
    let page = include_str!("../../../../docs/getting-started.md");
    let home = tempfile::tempdir().unwrap();
    let programs = home.path().join("bin");
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_almanac-under-test"), programs.join("almanac")).unwrap();
    let folder = home.path().join("work");
    fs::create_dir(&folder).unwrap();
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [service, prometheus] = [0, 1].map(|idx| listeners[idx].local_addr().unwrap().to_string());
    drop(listeners);
    let script = script(page, peers).replace("127.0.0.1:9797", &service).replace("127.0.0.1:9091", &prometheus);

    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(&folder).env("PATH", path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALMANAC_")) {
        command.env_remove(name);
    }
    command.env("ALMANAC_LISTEN", service);
    command.output().unwrap()
}
