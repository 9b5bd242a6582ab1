//! The service starts after something went wrong, stays when something fails, and tells.

mod backup;
mod log;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod place;
mod repair;
mod retention;
#[cfg(unix)]
mod signals;
mod starts;

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Reply, Server};

/// Longest time until the service shows an effect, generous for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds`; fails with the log of the service.
fn wait_until(server: &Server, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {:#?}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Imports one sample of `up` a second from a start, in seconds since 1970.
fn import(server: &Server, start: i64, samples: i64) -> Reply {
    let lines: String = (start..start + samples).map(|second| format!("up 1 {}\n", second * 1000)).collect();
    server.post("/v1/import", "text/plain; version=0.0.4", format!("# TYPE up gauge\n{lines}"))
}

/// Returns the number of samples of `up`.
fn count(server: &Server) -> i64 {
    server.sql("SELECT count(*) FROM samples")[0][0].as_i64().unwrap()
}

/// Returns the value of a metric without labels.
fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = server.get("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Whether a line of the log contains all parts.
fn has_logged(server: &Server, parts: &[&str]) -> bool {
    server.log().iter().any(|line| parts.iter().all(|part| line.contains(part)))
}
