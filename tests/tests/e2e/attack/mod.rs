//! Hostile and careless requests: each has a bound on memory, and light requests beside them are answered.

mod answers;
mod bodies;
mod lanes;
mod series;
mod targets;

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::harness::{Reply, Server};

/// Content type of remote write 1.0.
const WRITE_V1: &str = "application/x-protobuf";
/// Content type of remote write 2.0.
const WRITE_V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Returns the present time in epoch milliseconds.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Memory of a service, by the figures of the kernel.
struct Memory {
    pid: u32,
    start: u64,
}

impl Memory {
    /// Starts a measurement: the peak is that of the time from now on.
    fn start(server: &Server) -> Self {
        let pid = server.id();
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Self { pid, start: status(pid, "VmRSS") }
    }

    /// Asserts that the memory never grew by more than `mebibytes`.
    fn assert_growth(&self, mebibytes: u64, what: &str) {
        let peak = status(self.pid, "VmHWM");
        let growth = peak.saturating_sub(self.start);
        eprintln!("{what}: peak {peak} MiB, growth {growth} MiB of at most {mebibytes}");
        assert!(growth <= mebibytes, "{what}: the memory grew by {growth} MiB from {} MiB", self.start);
    }
}

/// Returns a size of `/proc/PID/status` in mebibytes.
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// Compresses a message as remote write does.
fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// Sends a message of remote write.
fn write(server: &Server, content_type: &str, message: &[u8]) -> Reply {
    let request = server.request("POST", "/api/v1/write").header("content-type", content_type);
    server.send(request.header("content-encoding", "snappy").body(snappy(message)))
}

/// Returns a protobuf field with bytes.
fn field(number: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = contents.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(contents);
    out
}

/// Returns an ordinary request of one sample.
fn honest() -> Vec<u8> {
    let label = field(1, &[field(1, b"__name__"), field(2, b"honest")].concat());
    field(1, &[label, field(2, &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 1])].concat())
}
