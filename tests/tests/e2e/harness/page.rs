//! Turns a page of the documents into a script of its commands, and runs it in an empty folder.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    process::{Command, Output},
};

/// Returns the page's `sh` blocks as one script; a block with `file=NAME` is written to that file at its place. `peers`: also
/// the blocks for which Prometheus has to be installed, `sh prometheus`, and each link to the service, which Chromium opens
/// at its place and prints as its scripts have made it (`tests/browser/visit.mjs` in the folder `$BROWSER`).
fn script(page: &str, peers: bool) -> String {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for (idx, block) in page.split("```").enumerate() {
        // Every second part is inside a code fence.
        if idx % 2 == 0 {
            for link in block.split('<').filter_map(|part| part.split_once('>')).filter(|_| peers) {
                if link.0.starts_with("http://127.0.0.1:9797/") {
                    script.push_str(&format!("node \"$BROWSER/visit.mjs\" '{}'\n", link.0));
                }
            }
            continue;
        }
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
/// `browser`: folder of the packages for Chromium; with it the parts that need peers run too.
pub(crate) fn follow_getting_started(browser: Option<&str>) -> Output {
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
    let script =
        script(page, browser.is_some()).replace("127.0.0.1:9797", &service).replace("127.0.0.1:9091", &prometheus);

    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(&folder).env("PATH", path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALMANAC_")) {
        command.env_remove(name);
    }
    command.env("ALMANAC_LISTEN", service).env("BROWSER", browser.unwrap_or_default());
    command.output().unwrap()
}
