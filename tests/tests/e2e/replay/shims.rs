//! Runs the clients that report cache events against the service, with a simulated Redis.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::Server;

/// Reads a hundred keys three times; in the second round every tenth key is written and every twentieth dropped. Prints
/// the number of reads of the origin.
const PYTHON: &str = r#"
import sys, time
from almanac_cache import Cache, Reporter

class Redis(dict):
    def set(self, key, value, px):
        assert px == 60_000
        self[key] = value
    def delete(self, key):
        self.pop(key, None)

url, sample = sys.argv[1], int(sys.argv[2])
reporter, loads = Reporter(url, sample=sample), []
cache = Cache(Redis(), "pages", 60, reporter)
for round in range(3):
    for n in range(100):
        assert cache.get(f"k{n}", lambda key: loads.append(key) or key.encode()) == f"k{n}".encode()
        if round == 1 and n % 10 == 0:
            cache.written(f"k{n}", drop=n % 20 == 0)
    time.sleep(0.005)
reporter.close()
print(len(loads))
"#;

const NODE: &str = r"
import { setTimeout as sleep } from 'node:timers/promises';
const [url, sample, shim] = process.argv.slice(-3);
const { Cache, Reporter } = await import(shim);
const held = new Map();
const redis = {
  get: async (key) => held.get(key) ?? null,
  set: async (key, value, px, ttl) => { if (px !== 'PX' || ttl !== 60000) throw px; held.set(key, value); },
  del: async (key) => held.delete(key),
};
const reporter = new Reporter(url, { sample: Number(sample) });
const cache = new Cache(redis, 'pages', 60_000, reporter);
let loads = 0;
for (let round = 0; round < 3; round++) {
  for (let n = 0; n < 100; n++) {
    const value = await cache.get(`k${n}`, async (key) => { loads++; return key; });
    if (value !== `k${n}`) throw value;
    if (round === 1 && n % 10 === 0) await cache.written(`k${n}`, { drop: n % 20 === 0 });
  }
  await sleep(5);
}
await reporter.close();
console.log(loads);
";

/// Reports a thousand times the capacity to a service that does not exist. Prints the number of events held.
const UNREACHABLE: &str = r#"
import sys
from almanac_cache import Reporter
reporter = Reporter(sys.argv[1], capacity=50, interval=0.01)
for n in range(50_000):
    reporter.report("pages", f"k{n % 7}", "get")
reporter.close()
print(len(reporter._events) + len(reporter._batch))
"#;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn shims() -> PathBuf {
    project().join("docs/shims").canonicalize().unwrap()
}

fn python() -> Command {
    let setup = Command::new(project().join("scripts/notebook-venv.sh")).output().unwrap();
    assert!(setup.status.success(), "{}", String::from_utf8_lossy(&setup.stderr));
    let mut command = Command::new(String::from_utf8(setup.stdout).unwrap().trim());
    command.env("PYTHONPATH", shims()).env("PYTHONDONTWRITEBYTECODE", "1").arg("-c");
    command
}

fn printed(command: &mut Command) -> u32 {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().trim().parse().unwrap()
}

/// Runs a client with a sample of one key in `sample` and returns the reported keys.
fn reported_keys(client: &dyn Fn(&str, &str) -> u32, sample: &str) -> Vec<Value> {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    // Each key is read from the origin once, and the five dropped ones again.
    assert_eq!(client(&server.url, sample), 105);
    let rows = server.sql(
        "SELECT key, count(*) FILTER (op = 'get') AS gets, count(miss_cost_ms) AS misses, count(*) FILTER (op = 'write') AS writes,
         count(*) FILTER (op = 'delete') AS drops FROM cache_events WHERE cache = 'pages' GROUP BY key ORDER BY key",
    );
    let rows = rows.as_array().unwrap();
    for row in rows {
        let n: u32 = row[0].as_str().unwrap().trim_start_matches('k').parse().unwrap();
        let (writes, drops) = (u32::from(n.is_multiple_of(10)), u32::from(n.is_multiple_of(20)));
        // A key is reported with all its events or not at all.
        assert_eq!(row, &json!([format!("k{n}"), 3, 1 + drops, writes, drops]));
    }
    assert!(server.stop().success());
    rows.iter().map(|row| row[0].clone()).collect()
}

#[test]
fn shims_report_every_event_of_sampled_keys() {
    let by_python = |url: &str, sample: &str| printed(python().arg(PYTHON).args([url, sample]));
    assert_eq!(reported_keys(&by_python, "1").len(), 100);
    let some = reported_keys(&by_python, "2");
    // Half of a hundred, within three binomial errors.
    assert!((35..=65).contains(&some.len()), "{some:?}");
    if Command::new("node").arg("--version").output().is_err() {
        return;
    }
    let shim = format!("file://{}", shims().join("almanac-cache.mjs").display());
    let by_node = |url: &str, sample: &str| {
        printed(Command::new("node").args(["--input-type=module", "-e", NODE, "--", url, sample, &shim]))
    };
    assert_eq!(reported_keys(&by_node, "2"), some, "the two languages sample different keys");
}

#[test]
fn a_shim_without_a_service_neither_waits_nor_grows() {
    let mut command = python();
    // No process listens on a port that was free just now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let held = printed(command.arg(UNREACHABLE).arg(format!("http://127.0.0.1:{port}")));
    // The waiting events and the batch being sent.
    assert!(held <= 50 + 5_000, "{held}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
