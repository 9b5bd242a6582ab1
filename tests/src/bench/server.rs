//! The real server in a folder of its own.

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

/// The store's file.
const STORE: &str = "bench.duckdb";
/// What the server prints on stderr once it can be reached.
const LISTENING: &str = "almanac: listening on http://";

/// A running server; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    client: Client,
    almanac: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts `almanac serve` on an empty store and waits until it can be reached.
    pub(super) fn start(almanac: &Path) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (child, address) = spawn(almanac, folder.path())?;
        let client =
            Client::builder().timeout(Duration::from_secs(600)).no_proxy().build().map_err(io::Error::other)?;
        Ok(Self { child, address, client, almanac: almanac.to_owned(), folder })
    }

    /// Kills the server as `kill -9` does, starts it again on the same store, and gives the time until it is ready.
    pub(super) fn kill_and_restart(&mut self) -> io::Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let begun = Instant::now();
        (self.child, self.address) = spawn(&self.almanac, self.folder.path())?;
        self.get("/readyz", &[])?;
        Ok(begun.elapsed())
    }

    /// Samples that the server says it holds.
    pub(super) fn samples(&self) -> io::Result<usize> {
        let answer: serde_json::Value = serde_json::from_str(&self.get("/readyz", &[])?.0)?;
        let samples = answer["samples"].as_u64().and_then(|samples| usize::try_from(samples).ok());
        samples.ok_or_else(|| io::Error::other("readyz does not say how many samples there are"))
    }

    /// Asks and gives the answer's text, and how long that took.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> io::Result<(String, Duration)> {
        let begun = Instant::now();
        let url = format!("http://{}{path}", self.address);
        let answer = self.client.get(url).query(query).send().map_err(io::Error::other)?;
        let status = answer.status();
        let text = answer.text().map_err(io::Error::other)?;
        if !status.is_success() {
            return Err(io::Error::other(format!("{path} {query:?}: {status} {text}")));
        }
        Ok((text, begun.elapsed()))
    }

    /// Finishes compaction.
    pub(super) fn compact(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        let url = format!("http://{}/v1/admin/compact", self.address);
        let answer = self.client.post(url).send().map_err(io::Error::other)?;
        answer.error_for_status().map_err(io::Error::other)?;
        Ok(begun.elapsed())
    }

    /// Bytes of the store's file and log.
    pub(super) fn disk_bytes(&self) -> u64 {
        [STORE.to_owned(), format!("{STORE}.wal")]
            .iter()
            .filter_map(|name| fs::metadata(self.folder.path().join(name)).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Processor seconds used so far, where the system tells.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }

    /// Most memory used so far, in MiB, where the system tells.
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

/// Starts `almanac serve` in a folder and waits until it can be reached.
fn spawn(almanac: &Path, folder: &Path) -> io::Result<(Child, SocketAddr)> {
    let mut child = Command::new(almanac)
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "info", "--db", STORE])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let mut said = Vec::new();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            return Err(io::Error::other(format!("the server did not start: {}", said.join("\n"))));
        };
        if let Some(address) = line.strip_prefix(LISTENING) {
            break address.trim().parse().map_err(io::Error::other)?;
        }
        said.push(line);
    };
    // Somebody has to read on, or the server would wait for room in the pipe.
    thread::spawn(move || lines.for_each(drop));
    Ok((child, address))
}
