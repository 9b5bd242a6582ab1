//! Starts the real service on a folder, sends to it, reads everything from it, and kills it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use almanac_engine::{export::parse_line, ingest::remote_write::encode_v1, series as engine};
use reqwest::blocking::Client;

use super::model::{Batch, Sample};

/// Prefix of the line on stderr with which the service reports its address.
const LISTENING: &str = "almanac: listening on http://";
/// Longest time of a start.
const START: Duration = Duration::from_secs(60);
/// Configuration: compactions are due all the time, so that a kill meets one.
const CONFIG: &str = "[store]\npath = \"faults.duckdb\"\ncompact_every = \"1s\"\n[learn]\ndefault_signals = 0\n";

/// Running service; killed when dropped.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    pub(super) url: String,
    client: Client,
}

impl Service {
    /// Starts the service and waits until it listens.
    ///
    /// # Errors
    /// The last lines that it has printed, when it ends before.
    pub(super) fn start(almanac: &Path, folder: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| error.to_string();
        fs::write(folder.join("almanac.toml"), CONFIG).map_err(failed)?;
        let mut child = Command::new(almanac)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let Some(stderr) = child.stderr.take() else { return Err("the service has no stderr".to_owned()) };
        let (found, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody listens after the start.
                let _ = found.send(line);
            }
        });
        let mut printed = Vec::new();
        loop {
            match lines.recv_timeout(START) {
                Ok(line) => match line.strip_prefix(LISTENING) {
                    Some(address) => {
                        let client = Client::builder().timeout(START).no_proxy().build();
                        let client = client.map_err(|error| error.to_string())?;
                        return Ok(Self { child, url: format!("http://{}", address.trim()), client });
                    }
                    None => printed.push(line),
                },
                Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("the service does not start: {}", printed.join("; ")));
                }
            }
        }
    }

    /// Kills the service as a crash would.
    pub(super) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns a client of its own for a thread.
    pub(super) fn handle(&self) -> Handle {
        Handle { url: self.url.clone(), client: self.client.clone() }
    }

    /// Checks by SQL that no sample is stored twice, which a reader would hide, and that the service itself misses none.
    ///
    /// # Errors
    /// What is there twice or missing, or what the service answers.
    pub(super) fn sound(&self) -> Result<(), String> {
        let sql = "SELECT count(*) - count(DISTINCT (series_id, timestamp)) FROM samples";
        let body = serde_json::json!({ "sql": sql }).to_string();
        let url = format!("{}/v1/sql", self.url);
        let sent = self.client.post(url).header("content-type", "application/json").body(body).send();
        let text = sent.and_then(reqwest::blocking::Response::text).map_err(|error| error.to_string())?;
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
        if answer["rows"][0][0] != 0 {
            return Err(format!("rows are stored twice: {text}"));
        }
        let sent = self.client.get(format!("{}/metrics", self.url)).send();
        let metrics = sent.and_then(reqwest::blocking::Response::text).map_err(|error| error.to_string())?;
        let lost = metrics.lines().find_map(|line| line.strip_prefix("almanac_store_samples_lost "));
        if lost == Some("0") { Ok(()) } else { Err(format!("the service misses samples: {lost:?}")) }
    }

    /// Returns every sample, by export.
    ///
    /// # Errors
    /// What the service answers, or what cannot be read.
    pub(super) fn samples(&self) -> Result<Vec<Sample>, String> {
        let (mut found, mut until) = (Vec::new(), i64::MAX);
        loop {
            let mut request = self.client.get(format!("{}/v1/export", self.url));
            if until < i64::MAX {
                request = request.query(&[("until", until.to_string())]);
            }
            let answer = request.send().map_err(|error| error.to_string())?;
            let from =
                answer.headers().get("almanac-part-from").and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
            let (status, text) = (answer.status(), answer.text().map_err(|error| error.to_string())?);
            if status.as_u16() == 204 {
                return Ok(found);
            }
            let Some(from) = from.filter(|_| status.is_success()) else { return Err(format!("{status}: {text}")) };
            for line in text.lines() {
                let one = parse_line(line)?;
                let series = one.labels.get("n").and_then(|text| text.parse().ok());
                let Some(series) = series else { continue };
                #[expect(clippy::cast_possible_truncation, reason = "the values are whole numbers")]
                found.extend(one.timestamps.iter().zip(&one.values).map(|(at, value)| (series, *at, *value as i64)));
            }
            until = from - 1;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is on disk.
    Acknowledged,
    /// It was not taken; it may be sent again.
    Busy,
    /// There was no answer.
    None,
}

/// A client for a thread of the load.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    url: String,
    client: Client,
}

impl Handle {
    /// Sends a batch by remote write.
    ///
    /// # Errors
    /// A status that says that the batch is wrong.
    pub(super) fn put(&self, batch: &Batch) -> Result<Answer, String> {
        let mut series: BTreeMap<u32, Vec<engine::Sample>> = BTreeMap::new();
        for (number, timestamp_ms, value) in batch {
            #[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
            let value = *value as f64;
            series.entry(*number).or_default().push(engine::Sample { timestamp_ms: *timestamp_ms, value });
        }
        let labelled = |(number, samples): (u32, Vec<engine::Sample>)| {
            let labels = [(engine::METRIC_NAME, "x".to_owned()), ("n", number.to_string())];
            Some((engine::Labels::from_pairs(labels).ok()?, samples))
        };
        let series: Vec<_> = series.into_iter().filter_map(labelled).collect();
        let request = self.client.post(format!("{}/api/v1/write", self.url)).body(encode_v1(&series));
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ];
        let sent = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send();
        let Ok(answer) = sent else { return Ok(Answer::None) };
        match answer.status().as_u16() {
            200..=299 => Ok(Answer::Acknowledged),
            429 | 503 => Ok(Answer::Busy),
            status => Err(format!("a batch was answered with {status}: {}", answer.text().unwrap_or_default())),
        }
    }

    /// Requests maintenance: `compact` or `backup`; the answer, or its absence, does not matter.
    pub(super) fn maintain(&self, what: &str) {
        let url = format!("{}/v1/admin/{what}", self.url);
        let sent = self.client.post(url).header("content-type", "application/json").body("{}").send();
        let _ = sent.and_then(reqwest::blocking::Response::bytes);
    }
}
