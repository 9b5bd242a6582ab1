//! Work on what callers send, in processes of its own: the answers are right, and an input ends at worst its process.

mod history;
mod hostile;
mod imports;

use std::fs;

/// Returns a figure of `/proc/PID/status` in MiB; 0 when the process has ended.
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
}
