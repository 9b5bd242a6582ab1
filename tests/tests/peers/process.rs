//! Starts peers as processes and stops them when the test ends.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Client;

/// Process started by the test; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Peer {
    /// Starts a program with its output in a log under `folder`.
    pub(crate) fn start(folder: &Path, name: &str, mut command: Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({error}): run scripts/peers.sh"));
        Self { name: name.to_owned(), child, log }
    }

    /// Waits until `ready` returns true; panics after a minute or when the process ends.
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ready() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{} ended ({ended:?}) before it was {what}:\n{}", self.name, log());
            assert!(Instant::now() < deadline, "{} is not {what} after a minute:\n{}", self.name, log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until `url` answers 200.
    pub(crate) fn wait_for(&mut self, url: &str) {
        let client = client();
        self.wait_until("answering", || client.get(url).send().is_ok_and(|reply| reply.status().is_success()));
    }

    /// Stops the peer with SIGTERM, and with SIGKILL after ten seconds.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        for _ in 0..200 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns an HTTP client that uses no proxy.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().gzip(false).timeout(Duration::from_secs(30)).build().unwrap()
}

/// Returns different free ports.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
