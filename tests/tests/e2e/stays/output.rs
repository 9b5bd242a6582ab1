//! Standard error that is closed, full or never read harms nothing.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Client;
use tempfile::tempdir;

use super::PATIENCE;
use crate::harness::almanac_after;

/// A service whose stderr is not read; killed when dropped.
struct Deaf(Child, String, Client);

impl Deaf {
    fn start(folder: &Path, shell: &str, level: &str) -> Self {
        std::fs::write(folder.join("almanac.toml"), "[store]\ncompact_every = \"1s\"\n").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command: Command = almanac_after(folder, shell);
        command.args(["serve", "--log", level, "--listen", &free.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let deaf = Self(child, format!("http://{free}"), client);
        deaf.wait_for("it listens", |deaf| deaf.get("/healthz").is_some());
        deaf
    }

    fn get(&self, path: &str) -> Option<String> {
        self.2.get(format!("{}{path}", self.1)).send().ok()?.text().ok()
    }

    fn runs(&self, metric: &str) -> u64 {
        let text = self.get("/metrics").unwrap();
        let head = format!("{metric}{{task=\"compact\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&head)?.parse().ok()).unwrap_or(0)
    }

    fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_closed_or_full_stderr_ends_no_task() {
    for shell in ["exec 2>&-;", "exec 2>/dev/full;"] {
        let folder = tempdir().unwrap();
        // At this level every run of a task writes a line.
        let deaf = Deaf::start(folder.path(), shell, "debug");
        deaf.wait_for("three compactions run", |deaf| deaf.runs("almanac_task_runs_total") >= 3);
        assert_eq!(deaf.runs("almanac_task_panics_total"), 0, "{shell}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_stops_nothing() {
    let folder = tempdir().unwrap();
    let mut deaf = Deaf::start(folder.path(), "", "trace");
    // Far more than the 64 KiB that a pipe takes.
    for _ in 0..300 {
        assert!(deaf.get("/api/v1/query?query=up").is_some());
    }
    let before = deaf.runs("almanac_task_runs_total");
    deaf.wait_for("compactions run", |deaf| deaf.runs("almanac_task_runs_total") >= before + 2);
    let pid = deaf.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    // It ends at all: nobody reads the last lines.
    assert!(deaf.0.wait().unwrap().success());
}
