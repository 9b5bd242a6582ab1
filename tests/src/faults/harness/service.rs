//! Starts the real service on a folder, sends to it, reads everything from it, and stops or kills it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use almanac_engine::{export::parse_line, ingest::remote_write::encode_v1, series as engine};
use reqwest::blocking::Client;
use rustix::process::{Pid, Signal, kill_process};

use super::{Batch, Model, Sample, Shim};

/// Prefix of the line on stderr with which the service reports its address.
const LISTENING: &str = "almanac: listening on http://";
/// Longest time of a start, of an answer and of a stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a service is started.
#[derive(Debug, Clone)]
pub(in crate::faults) struct Setup {
    /// The binary.
    pub(in crate::faults) almanac: PathBuf,
    /// The working directory, with the store.
    pub(in crate::faults) folder: PathBuf,
    /// The same folder as the harness sees it, if that differs.
    pub(in crate::faults) seen: PathBuf,
    /// The configuration.
    pub(in crate::faults) config: String,
    /// What is between the service and its disk and clock.
    pub(in crate::faults) shim: Option<Arc<Shim>>,
    /// Command that runs the command after it, such as one that enters a control group.
    pub(in crate::faults) wrapper: Vec<String>,
}

impl Setup {
    /// Returns a service whose compactions are due all the time, so that a fault meets one.
    pub(in crate::faults) fn busy(almanac: &Path, folder: &Path) -> Self {
        let config = "[store]\npath = \"faults.duckdb\"\ncompact_every = \"1s\"\n[learn]\ndefault_signals = 0\n";
        Self {
            almanac: almanac.to_owned(),
            folder: folder.to_owned(),
            seen: folder.to_owned(),
            config: config.to_owned(),
            shim: None,
            wrapper: Vec::new(),
        }
    }

    fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(&self.almanac);
                command
            }
            None => Command::new(&self.almanac),
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--config"]);
        command.arg(self.folder.join("almanac.toml"));
        if let Some(shim) = &self.shim {
            shim.preload(&mut command, &self.folder);
        }
        command
    }
}

/// Running service; killed when dropped.
#[derive(Debug)]
pub(in crate::faults) struct Service {
    child: Child,
    pub(in crate::faults) url: String,
    client: Client,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts the service and waits until it listens.
    ///
    /// # Errors
    /// The lines that it has printed, when it ends before.
    pub(in crate::faults) fn start(setup: &Setup) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        fs::write(setup.seen.join("almanac.toml"), &setup.config).map_err(failed)?;
        let mut command = setup.command();
        command.current_dir(&setup.seen).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let Some(stderr) = child.stderr.take() else { return Err("the service has no stderr".to_owned()) };
        let (found, address) = mpsc::channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix(LISTENING) {
                    // Nobody listens after the start.
                    let _ = found.send(address.trim().to_owned());
                }
                if let Ok(mut kept) = kept.lock() {
                    kept.push(line);
                }
            }
        });
        let listening = address.recv_timeout(PATIENCE);
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().map_err(|error| error.to_string())?;
        let service = Self { child, url: format!("http://{}", listening.as_deref().unwrap_or("")), client, lines };
        match listening {
            Ok(_) => Ok(service),
            Err(_) => Err(format!("the service does not start: {}", service.log().join("; "))),
        }
    }

    /// Kills the service as a crash would.
    pub(in crate::faults) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the service with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// A service that does not end in time.
    pub(in crate::faults) fn stop(mut self) -> Result<ExitStatus, String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or("the service has no process id")
            .and_then(|pid| kill_process(pid, Signal::TERM).map_err(|_| "the service cannot be stopped"))?;
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            match self.ended() {
                Some(status) => return Ok(status),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        Err(format!("the service does not stop within {PATIENCE:?}: {}", self.log().join("; ")))
    }

    /// Returns how the process ended; `None` while it runs.
    pub(in crate::faults) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns what the service has printed on stderr.
    pub(in crate::faults) fn log(&self) -> Vec<String> {
        self.lines.lock().map_or_else(|_| Vec::new(), |lines| lines.clone())
    }

    /// Returns the largest memory that the process had so far, in bytes; `None` when the system does not report it.
    pub(in crate::faults) fn peak_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
    }

    /// Returns a metric without labels; `None` when it is absent.
    pub(in crate::faults) fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.client.get(format!("{}/metrics", self.url)).send().ok()?.text().ok()?;
        answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
    }

    /// Returns the status of a GET; `None` without an answer.
    pub(in crate::faults) fn status(&self, path: &str) -> Option<u16> {
        self.client.get(format!("{}{path}", self.url)).send().ok().map(|answer| answer.status().as_u16())
    }

    /// Returns a client of its own for a thread.
    pub(in crate::faults) fn handle(&self) -> Handle {
        Handle { url: self.url.clone(), client: self.client.clone() }
    }

    /// Compares everything that the service has with what a model expects.
    ///
    /// # Errors
    /// The first difference.
    pub(in crate::faults) fn judge(&self, model: &mut Model) -> Result<(), String> {
        self.sound()?;
        model.judge(&self.samples()?)
    }

    /// Checks by SQL that no sample is stored twice, which a reader would hide, and that the service itself misses none.
    ///
    /// # Errors
    /// What is there twice or missing, or what the service answers.
    fn sound(&self) -> Result<(), String> {
        let sql = "SELECT count(*) - count(DISTINCT (series_id, timestamp)) FROM samples";
        let body = serde_json::json!({ "sql": sql }).to_string();
        let url = format!("{}/v1/sql", self.url);
        let started = Instant::now();
        let text = loop {
            let request = self.client.post(&url).header("content-type", "application/json").body(body.clone());
            let answer = request.send().map_err(|error| error.to_string())?;
            let (is_answered, text) = (answer.status().is_success(), answer.text().map_err(|error| error.to_string())?);
            // A machine with other work may take longer than the deadline of a statement; anything else is an error at once.
            if is_answered || !text.contains("\"sql_deadline\"") || started.elapsed() > PATIENCE {
                break text;
            }
        };
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
        if answer["rows"][0][0] != 0 {
            return Err(format!("rows are stored twice, or cannot be counted: {text}"));
        }
        let lost = self.metric("almanac_store_samples_lost");
        if lost == Some(0.0) { Ok(()) } else { Err(format!("the service misses samples: {lost:?}")) }
    }

    /// Returns every sample, by export.
    ///
    /// # Errors
    /// What the service answers, or what cannot be read.
    fn samples(&self) -> Result<Vec<Sample>, String> {
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::faults) enum Answer {
    /// It is on disk.
    Acknowledged,
    /// It was not taken, with this status (429 or 503); it may be sent again.
    Busy(u16),
    /// There was no answer.
    None,
    /// It is wrong for the service, and nothing of it is stored.
    Refused {
        /// Status, 300 to 499.
        status: u16,
        /// Body of the answer.
        text: String,
    },
    /// It failed in the service; it may be sent again.
    Failed {
        /// Status, 500 or more.
        status: u16,
        /// Body of the answer.
        text: String,
    },
}

/// A client for a thread of the load.
#[derive(Debug, Clone)]
pub(in crate::faults) struct Handle {
    url: String,
    client: Client,
}

impl Handle {
    /// Sends a batch by remote write.
    pub(in crate::faults) fn put(&self, batch: &Batch) -> Answer {
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
        let Ok(answer) = sent else { return Answer::None };
        match answer.status().as_u16() {
            200..=299 => Answer::Acknowledged,
            status @ (429 | 503) => Answer::Busy(status),
            status @ 500.. => Answer::Failed { status, text: answer.text().unwrap_or_default() },
            status => Answer::Refused { status, text: answer.text().unwrap_or_default() },
        }
    }

    /// Requests maintenance: `compact` or `backup`; the answer, or its absence, does not matter.
    pub(in crate::faults) fn maintain(&self, what: &str) {
        let url = format!("{}/v1/admin/{what}", self.url);
        let sent = self.client.post(url).header("content-type", "application/json").body("{}").send();
        let _ = sent.and_then(reqwest::blocking::Response::bytes);
    }
}
