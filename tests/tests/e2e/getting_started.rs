//! Follows `docs/getting-started.md` as a reader would: writes its files and runs its commands in an empty folder.

use std::{net::TcpListener, process::Command};

/// Returns the page's `sh` blocks as one script; a `toml file=NAME` block is written to that file at its place.
fn script(page: &str) -> String {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    // Every second part is inside a code fence.
    for block in page.split("```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        if kind == "sh" {
            script.push_str(body);
        } else if let Some(file) = kind.strip_prefix("toml file=") {
            script.push_str(&format!("cat > {file} <<'FILE'\n{body}FILE\n"));
        }
    }
    script
}

#[test]
fn the_page_works_command_by_command() {
    let page = include_str!("../../../docs/getting-started.md");
    let home = tempfile::tempdir().unwrap();
    let programs = home.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_almanac-under-test"), programs.join("almanac")).unwrap();
    let folder = home.path().join("work");
    std::fs::create_dir(&folder).unwrap();
    // The page's port may be in use on this machine.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = script(page).replace("127.0.0.1:9797", &free.to_string());

    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(&folder).env("PATH", path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALMANAC_")) {
        command.env_remove(name);
    }
    command.env("ALMANAC_LISTEN", free.to_string());
    let ended = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{stdout}\n{stderr}");
    for part in ["yhat_lower_80", "\"predictive\"", "true", "\"status\":\"success\"", "signals fitted"] {
        assert!(stdout.contains(part), "{part:?} is missing in\n{stdout}\n{stderr}");
    }
    assert_eq!(line_with(&stdout, "2026-01-13T12:00:00").matches("true").count(), 1, "the unusual hour\n{stdout}");
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no line has {part:?}:\n{text}"))
}
