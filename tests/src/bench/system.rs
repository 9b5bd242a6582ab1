//! The measured systems: how each is found, started, merged and counted.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{server::Server, stream::Shape};
use crate::process::bytes_below;

/// File name of Almanac's store.
const STORE: &str = "bench.duckdb";
/// Folder of the data of the other systems.
const DATA: &str = "data";
/// Longest time of a merge.
const MERGE: Duration = Duration::from_secs(600);

/// A measured system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// The binary of this workspace.
    Almanac,
    /// Debian's package `victoria-metrics`.
    VictoriaMetrics,
    /// Debian's package `prometheus`.
    Prometheus,
}

impl System {
    /// All systems, in the order of the columns.
    pub(super) const ALL: [Self; 3] = [Self::Almanac, Self::VictoriaMetrics, Self::Prometheus];

    /// Returns the name in the tables.
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Almanac => "Almanac",
            Self::VictoriaMetrics => "VictoriaMetrics",
            Self::Prometheus => "Prometheus",
        }
    }

    /// Returns name and version; `None` if the system is not installed.
    #[must_use]
    pub(super) fn version(self, almanac: &Path) -> Option<String> {
        let text = |command: &mut Command| {
            let output = command.output().ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let package = match self {
            Self::Almanac => {
                let printed = text(Command::new(almanac).arg("--version"))?;
                return Some(format!("{} {}", self.name(), printed.split(' ').nth(1).unwrap_or("unknown")));
            }
            Self::VictoriaMetrics => "victoria-metrics",
            Self::Prometheus => "prometheus",
        };
        // VictoriaMetrics as packaged by Debian does not print its own version.
        text(Command::new(package).arg("--version"))?;
        let installed = text(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]));
        Some(format!("{} {}", self.name(), installed.as_deref().unwrap_or("of unknown version")))
    }

    /// Returns the command that serves the data in `folder` on a port of the loopback interface.
    pub(super) fn command(self, almanac: &Path, folder: &Path, port: u16) -> io::Result<Command> {
        let address = format!("127.0.0.1:{port}");
        let data = folder.join(DATA).display().to_string();
        let mut command;
        match self {
            Self::Almanac => {
                command = Command::new(almanac);
                command.args(["serve", "--listen", &address, "--log", "info", "--db", STORE]);
            }
            Self::VictoriaMetrics => {
                command = Command::new("victoria-metrics");
                command.args([format!("-storageDataPath={data}"), format!("-httpListenAddr={address}")]);
                // The stream is older than the default retention of a month. Answers that are repeated from a cache measure no query.
                command.args(["-retentionPeriod=100y", "-search.disableCache"]);
                command.args(["-search.maxUniqueTimeseries=5000000", "-search.maxQueryDuration=10m"]);
                // Otherwise it closes each connection after two minutes.
                command.arg("-http.connTimeout=1h");
            }
            Self::Prometheus => {
                let file = folder.join("prometheus.yml");
                fs::write(&file, "scrape_configs: []\n")?;
                command = Command::new("prometheus");
                command.args([
                    format!("--config.file={}", file.display()),
                    format!("--storage.tsdb.path={data}"),
                    format!("--web.listen-address={address}"),
                ]);
                command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
                command.args(["--storage.tsdb.retention.time=100y", "--query.timeout=10m"]);
            }
        }
        command.current_dir(folder);
        Ok(command)
    }

    /// Merges what was received, as far as the system can be told to, restarts it, and returns the bytes on disk.
    ///
    /// Almanac compacts; VictoriaMetrics merges its parts. Both are stopped and started again: Almanac shortens its file at a start.
    /// Prometheus has no such command; its snapshot writes the head as a block beside those that it has, and their
    /// bytes are counted.
    pub(super) fn merge(self, server: &mut Server) -> io::Result<(Duration, u64)> {
        let started = Instant::now();
        match self {
            Self::Almanac => {
                server.post("/v1/admin/compact", "")?;
                let elapsed = started.elapsed();
                server.stop_and_restart()?;
                let file = |name: String| fs::metadata(server.folder().join(name)).map_or(0, |file| file.len());
                Ok((elapsed, file(STORE.to_owned()) + file(format!("{STORE}.wal"))))
            }
            Self::VictoriaMetrics => {
                server.get("/internal/force_flush", &[])?;
                server.get("/internal/force_merge", &[])?;
                // The answer comes before the merge is done, and before the metric shows it.
                thread::sleep(Duration::from_millis(200));
                while !server.get("/metrics", &[])?.0.lines().any(|line| line == "vm_active_force_merges 0") {
                    if started.elapsed() > MERGE {
                        return Err(io::Error::other("VictoriaMetrics does not end its merge"));
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                let elapsed = started.elapsed();
                server.stop_and_restart()?;
                // Its caches are written at a stop; they are no samples.
                Ok((elapsed, bytes_below(&server.folder().join(DATA), "cache")?))
            }
            Self::Prometheus => {
                let answer: serde_json::Value = serde_json::from_str(&server.post("/api/v1/admin/tsdb/snapshot", "")?)?;
                let elapsed = started.elapsed();
                let name = answer["data"]["name"].as_str().unwrap_or_default();
                let snapshot: PathBuf = server.folder().join(DATA).join("snapshots").join(name);
                let bytes = bytes_below(&snapshot, "")?;
                server.stop_and_restart()?;
                Ok((elapsed, bytes))
            }
        }
    }

    /// Returns the number of samples that a system has, by the same query of all systems.
    pub(super) fn samples(server: &Server, shape: Shape) -> io::Result<usize> {
        let (begin, end) = (shape.start_ms, shape.tail_end_ms());
        let query = format!("sum(count_over_time({{job=~\".+\"}}[{}s]))", (end - begin) / 1000 + 1);
        let text = server.get("/api/v1/query", &[("query", &query), ("time", &(end / 1000).to_string())])?.0;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        // An empty result: there is no series.
        let is_empty = answer["data"]["result"].as_array().is_some_and(Vec::is_empty);
        let value = answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count below 2^53")]
        let count = value.map(|count| count as usize).or(is_empty.then_some(0));
        count.ok_or_else(|| io::Error::other(format!("no number of samples in {answer}")))
    }
}
