//! A running service and its HTTP client.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::almanac;

/// Prefix of the line on stderr with which the service reports its address.
const LISTENING: &str = "almanac: listening on ";

/// Running service; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    client: Client,
    stderr: Arc<Mutex<Vec<String>>>,
    token: Option<String>,
}

/// Complete HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Returns the address in the line that reports it, as text or as JSON.
fn listening(line: &str) -> Option<String> {
    let message = serde_json::from_str::<Value>(line).ok();
    let message = message.as_ref().and_then(|line| line["fields"]["message"].as_str());
    let url = message.map_or_else(|| line.strip_prefix(LISTENING), |text| text.strip_prefix("listening on "))?;
    Some(url.trim().to_owned())
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Server {
    /// Starts `almanac serve` in `folder` on its `almanac.duckdb` (and `almanac.toml` if there is one), on a free port.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts the service like [`Server::start`] with further options.
    pub(crate) fn start_with(folder: &Path, args: &[&str]) -> Self {
        let mut command = almanac(folder);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info"]).args(args);
        Self::from_command(command)
    }

    /// Runs a command that starts a service and waits until it listens.
    pub(crate) fn from_command(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (found, url) = mpsc::channel();
        let kept = Arc::clone(&stderr);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(url) = listening(&line) {
                    let _ = found.send(url);
                }
                kept.lock().unwrap().push(line);
            }
        });
        let Ok(url) = url.recv_timeout(Duration::from_secs(120)) else {
            let _ = child.kill();
            panic!("the service did not start: {:#?}", stderr.lock().unwrap());
        };
        let client = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        Self { child, url, client, stderr, token: None }
    }

    /// Sends this token with every request.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Returns a request that the caller completes; `path` starts with a slash.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        let request = self.client.request(method.parse().unwrap(), url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().unwrap_or_else(|e| panic!("{e:?}; {:#?}", self.log()));
        read(response)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path))
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send(self.request("POST", path).header("content-type", content_type).body(body.into()))
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.post(path, "application/json", body.to_string())
    }

    /// Returns the rows of a query through `POST /v1/sql`.
    pub(crate) fn sql(&self, sql: &str) -> Value {
        let reply = self.post_json("/v1/sql", &serde_json::json!({ "sql": sql }));
        assert_eq!(reply.status, 200, "{sql}: {}", reply.text());
        reply.json()["rows"].clone()
    }

    /// Returns the lines that the service has printed on stderr so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops the service with SIGTERM and waits for its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// Kills the service as a power cut would (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(response: Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, body: response.bytes().unwrap().to_vec() }
}
