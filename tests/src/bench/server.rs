//! Starts, queries, kills and measures the real server on a temporary store.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Client;
use tempfile::TempDir;

/// File name of the store.
const STORE: &str = "bench.duckdb";
/// Prefix of the line on stderr with which the server reports its address.
const LISTENING: &str = "almanac: listening on http://";

/// Running server; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    client: Client,
    almanac: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts `almanac serve` on an empty store and waits until it listens.
    pub(super) fn start(almanac: &Path) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (child, address) = spawn(almanac, folder.path())?;
        let client =
            Client::builder().timeout(Duration::from_secs(600)).no_proxy().build().map_err(io::Error::other)?;
        Ok(Self { child, address, client, almanac: almanac.to_owned(), folder })
    }

    /// Kills the server with SIGKILL, starts it again on the same store, and returns the time until it is ready.
    pub(super) fn kill_and_restart(&mut self) -> io::Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let started = Instant::now();
        (self.child, self.address) = spawn(&self.almanac, self.folder.path())?;
        self.get("/readyz", &[])?;
        Ok(started.elapsed())
    }

    /// Returns the number of samples that `/readyz` reports.
    pub(super) fn samples(&self) -> io::Result<usize> {
        let answer: serde_json::Value = serde_json::from_str(&self.get("/readyz", &[])?.0)?;
        let samples = answer["samples"].as_u64().and_then(|samples| usize::try_from(samples).ok());
        samples.ok_or_else(|| io::Error::other("/readyz does not report the number of samples"))
    }

    /// Sends a GET request and returns the body and the time until it was read.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> io::Result<(String, Duration)> {
        let started = Instant::now();
        let url = format!("http://{}{path}", self.address);
        let answer = self.client.get(url).query(query).send().map_err(io::Error::other)?;
        let status = answer.status();
        let text = answer.text().map_err(io::Error::other)?;
        if !status.is_success() {
            return Err(io::Error::other(format!("{path} {query:?}: {status} {text}")));
        }
        Ok((text, started.elapsed()))
    }

    /// Runs compaction to its end and returns its duration.
    pub(super) fn compact(&self) -> io::Result<Duration> {
        let started = Instant::now();
        let url = format!("http://{}/v1/admin/compact", self.address);
        let answer =
            self.client.post(url).header("content-type", "application/json").send().map_err(io::Error::other)?;
        answer.error_for_status().map_err(io::Error::other)?;
        Ok(started.elapsed())
    }

    /// Returns the bytes of the store's file and write-ahead log.
    pub(super) fn disk_bytes(&self) -> u64 {
        [STORE.to_owned(), format!("{STORE}.wal")]
            .iter()
            .filter_map(|name| fs::metadata(self.folder.path().join(name)).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Returns the processor seconds used so far; `None` where `/proc` does not exist.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        // utime and stime, in ticks of 1/100 s.
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }

    /// Returns the peak memory so far in MiB; `None` where `/proc` does not exist.
    pub(super) fn peak_mib(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `almanac serve` in a folder and waits until it listens.
fn spawn(almanac: &Path, folder: &Path) -> io::Result<(Child, SocketAddr)> {
    let mut child = Command::new(almanac)
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "info", "--db", STORE])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let mut stderr = Vec::new();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            return Err(io::Error::other(format!("the server did not start: {}", stderr.join("\n"))));
        };
        if let Some(address) = line.strip_prefix(LISTENING) {
            break address.trim().parse().map_err(io::Error::other)?;
        }
        stderr.push(line);
    };
    // Reads on: the server would block on a full pipe.
    thread::spawn(move || lines.for_each(drop));
    Ok((child, address))
}
