//! Starts, queries, kills and restarts one of the systems on a temporary folder.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Client;
use tempfile::TempDir;

use super::system::System;
use crate::process::{Process, free_port};

/// Longest time until a server answers.
const START: Duration = Duration::from_secs(600);
/// Distance between two attempts to get an answer.
const POLL: Duration = Duration::from_millis(2);
/// Query whose first answer ends a start.
const FIRST_QUERY: [(&str, &str); 1] = [("query", "vector(1)")];

/// Running server; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    pub(super) address: SocketAddr,
    client: Client,
    system: System,
    almanac: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts a system without data and waits until it answers a query. `almanac` is the path of this project's program.
    pub(super) fn start(system: System, almanac: &Path) -> io::Result<Self> {
        Self::start_in(system, almanac, tempfile::tempdir()?)
    }

    /// Starts a system in a folder, which may have a configuration.
    pub(super) fn start_in(system: System, almanac: &Path, folder: TempDir) -> io::Result<Self> {
        let client = Client::builder()
            .timeout(Duration::from_secs(600))
            .no_proxy()
            .no_gzip()
            .build()
            .map_err(io::Error::other)?;
        let (process, address) = spawn(system, almanac, folder.path())?;
        let mut server = Self { process, address, client, system, almanac: almanac.to_owned(), folder };
        server.wait()?;
        Ok(server)
    }

    /// Kills the server with SIGKILL, starts it again on the same data, and returns the time until it answers a query.
    pub(super) fn kill_and_restart(&mut self) -> io::Result<Duration> {
        self.process.kill()?;
        self.restart()
    }

    /// Ends the server with SIGTERM and starts it again on the same data.
    pub(super) fn stop_and_restart(&mut self) -> io::Result<Duration> {
        self.process.stop()?;
        self.restart()
    }

    fn restart(&mut self) -> io::Result<Duration> {
        let started = Instant::now();
        (self.process, self.address) = spawn(self.system, &self.almanac, self.folder.path())?;
        self.wait()?;
        Ok(started.elapsed())
    }

    /// Waits until the server answers a query. All systems refuse connections or answer 503 before they have read their
    /// data.
    fn wait(&mut self) -> io::Result<()> {
        let started = Instant::now();
        loop {
            match self.get("/api/v1/query", &FIRST_QUERY) {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > START => return Err(error),
                Err(_) => self.process.check()?,
            }
            thread::sleep(POLL);
        }
    }

    /// Returns the folder with the data.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the process.
    pub(super) fn process(&self) -> &Process {
        &self.process
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

    /// Sends a POST request with a body of JSON and returns the body of the answer.
    pub(super) fn post(&self, path: &str, body: &str) -> io::Result<String> {
        let url = format!("http://{}{path}", self.address);
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().map_err(io::Error::other)?;
        let status = answer.status();
        let text = answer.text().map_err(io::Error::other)?;
        if status.is_success() { Ok(text) } else { Err(io::Error::other(format!("{path}: {status} {text}"))) }
    }
}

/// Starts a system on a free port.
fn spawn(system: System, almanac: &Path, folder: &Path) -> io::Result<(Process, SocketAddr)> {
    let port = free_port()?;
    let process = Process::start(&mut system.command(almanac, folder, port)?, &folder.join("log.txt"))?;
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}
