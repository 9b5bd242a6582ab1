//! Starts the real service with everything on at short intervals, and talks to it.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use almanac_engine::{
    ingest::remote_write::encode_v1,
    series::{Labels, Sample},
};
use reqwest::blocking::{Client, RequestBuilder};

use crate::process::{Process, free_port};

/// Longest time of a request, and of the start.
const TIMEOUT: Duration = Duration::from_secs(60);
/// File of the store.
const STORE: &str = "soak.duckdb";
/// File with the service's output.
const LOG: &str = "log.txt";

/// Returns the configuration: retention of `raw_s` seconds, and of twice that for rollups and what is learned.
fn configuration(raw_s: u64, port: u16) -> String {
    let rollup_s = 2 * raw_s;
    format!(
        r#"[store]
path = "{STORE}"
retention = {{ raw = "{raw_s}s", rollup = "{rollup_s}s" }}
compact_every = "2s"
recent = "16MiB"

[learn]
default_signals = 20
start_after = "10s"
choose_every = "30s"
every = "2s"
refit = "20s"

[advise]
every = "5s"

[[signal]]
name = "requests"
expr = 'sum(rate(soak_requests_total[10s]))'
step = "1s"
horizon = "1m"

[[signal]]
name = "load"
expr = 'avg(soak_load)'
step = "1s"
horizon = "1m"

[[workload]]
name = "soak"
demand = 'sum(rate(soak_requests_total[10s]))'
replicas = 'count(count by (zone) (soak_limit))'
capacity_per_replica = 1000
step = "5s"
horizon = "10m"
day = "10m"

[[cache]]
name = "pages"
ttl = "1m"

[[scrape]]
job = "almanac"
targets = ["127.0.0.1:{port}"]
interval = "1s"
"#
    )
}

/// Running service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) process: Process,
    handle: Handle,
}

impl Service {
    /// Starts the service in a folder, and waits until it is ready.
    ///
    /// # Errors
    /// What it has printed last, when it does not start.
    pub(super) fn start(almanac: &Path, folder: &Path, raw_s: u64) -> Result<Self, String> {
        let port = free_port().map_err(|error| error.to_string())?;
        fs::write(folder.join("almanac.toml"), configuration(raw_s, port)).map_err(|error| error.to_string())?;
        let mut command = Command::new(almanac);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log", "warn"]).current_dir(folder);
        let mut process = Process::start(&mut command, &folder.join(LOG)).map_err(|error| error.to_string())?;
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(|error| error.to_string())?;
        let handle = Handle { url: format!("http://127.0.0.1:{port}"), client };
        for _ in 0..TIMEOUT.as_secs() * 20 {
            process.check().map_err(|error| error.to_string())?;
            if handle.get("/readyz", &[]).is_ok() {
                return Ok(Self { process, handle });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("the service does not become ready: {}", process.last_lines()))
    }

    /// Returns a client for a thread.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Returns the service's lines of errors.
    pub(super) fn errors(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|line| line.contains(" ERROR ")).collect()
    }
}

/// Client for a thread.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    url: String,
    client: Client,
}

/// What became of a request with samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The samples are on disk.
    Acknowledged,
    /// The service was busy.
    Busy,
}

impl Handle {
    /// Sends samples by remote write.
    ///
    /// # Errors
    /// Another answer, or none.
    pub(super) fn put(&self, series: &[(Labels, Vec<Sample>)]) -> Result<Sent, String> {
        let request = self.client.post(format!("{}/api/v1/write", self.url)).body(encode_v1(series));
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ];
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().map_err(|error| chain("a write", &error))?;
        match answer.status().as_u16() {
            200..=299 => Ok(Sent::Acknowledged),
            429 | 503 => Ok(Sent::Busy),
            status => Err(format!("a write was answered with {status}: {}", answer.text().unwrap_or_default())),
        }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// A status that is no success, or no answer.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, String> {
        answer(path, self.client.get(format!("{}{path}", self.url)).query(query))
    }

    /// Sends a POST request with a body of JSON.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn post(&self, path: &str, body: &serde_json::Value) -> Result<String, String> {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        answer(path, request.body(body.to_string()))
    }

    /// Requests a full compaction and waits for its end. By itself the service leaves samples of the last two hours as they are, so that
    /// neither merges nor retention would have much to do in an hour.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn compact(&self) -> Result<Sent, String> {
        let request = self.client.post(format!("{}/v1/admin/compact", self.url));
        let answer = request.header("content-type", "application/json").body("{}").send();
        let answer = answer.map_err(|error| chain("a compaction", &error))?;
        match answer.status().as_u16() {
            200..=299 => Ok(Sent::Acknowledged),
            409 | 429 | 503 => Ok(Sent::Busy),
            status => Err(format!("a compaction was answered with {status}: {}", answer.text().unwrap_or_default())),
        }
    }

    /// Runs an SQL statement and returns its rows.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn sql(&self, sql: &str) -> Result<serde_json::Value, String> {
        let text =
            self.post("/v1/sql", &serde_json::json!({ "sql": sql })).map_err(|error| format!("{sql}: {error}"))?;
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok(answer["rows"].clone())
    }
}

fn answer(path: &str, request: RequestBuilder) -> Result<String, String> {
    let answer = request.send().map_err(|error| chain(path, &error))?;
    let status = answer.status();
    let text = answer.text().map_err(|error| chain(path, &error))?;
    if status.is_success() { Ok(text) } else { Err(format!("{path}: {status} {text}")) }
}

fn chain(what: &str, error: &reqwest::Error) -> String {
    format!("{what}: {}", almanac_api::chain(error))
}
