//! Cache-aside over the `redis` crate that reports reads and writes to Almanac.
//!
//! Dependencies in `Cargo.toml`: `redis = "1"`, `serde_json = "1"`, `ureq = { version = "3", features = ["json"] }`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redis::{Commands, RedisError};
use serde_json::{Value, json};

const BATCH: usize = 5_000;
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends events in the background; never blocks or fails its caller. Create one per process; it sends the rest when
/// dropped.
pub struct Reporter {
    events: Option<SyncSender<Value>>,
    sender: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
    bound: u64,
}

impl Reporter {
    /// `url`: address of Almanac; `sample`: report one key in this many, chosen by its hash; `capacity`: largest number
    /// of waiting events, beyond it new ones are dropped.
    pub fn new(url: &str, sample: u32, capacity: usize, token: Option<&str>) -> Self {
        let (events, inbox) = mpsc::sync_channel(capacity);
        let url = format!("{}/v1/events", url.trim_end_matches('/'));
        let token = token.map(|token| format!("Bearer {token}"));
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let sender =
            thread::Builder::new().name("almanac".to_owned()).spawn(move || run(&inbox, &url, token.as_deref(), &seen));
        // Without a thread nothing is reported, and the cache works as before.
        Self { events: Some(events), sender: sender.ok(), ended, bound: (1 << 32) / u64::from(sample.max(1)) }
    }

    pub fn report(&self, cache: &str, key: &str, op: &str, miss_cost: Option<Duration>) {
        if u64::from(hash(key)) >= self.bound {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut event = json!({"type": "cache", "timestamp": now, "cache": cache, "key": key, "op": op});
        if let Some(cost) = miss_cost {
            event["miss_cost_ms"] = json!(1e3 * cost.as_secs_f64());
        }
        if let Some(events) = &self.events {
            // The event is dropped when the channel is full or its thread has ended.
            let _ = events.try_send(event);
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // The thread sees the end of the channel, sends the rest without retries, and ends.
        self.ended.store(true, Ordering::Relaxed);
        self.events.take();
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}

fn run(inbox: &Receiver<Value>, url: &str, token: Option<&str>, ended: &AtomicBool) {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build();
    let agent = ureq::Agent::new_with_config(config);
    let mut batch = Vec::new();
    loop {
        let until = Instant::now() + INTERVAL;
        while batch.len() < BATCH {
            let Ok(event) = inbox.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
            batch.push(event);
        }
        if batch.is_empty() || send(&agent, url, token, &batch) {
            let all = batch.len() < BATCH;
            batch.clear();
            if all && ended.load(Ordering::Relaxed) {
                return;
            }
        } else if ended.load(Ordering::Relaxed) {
            return;
        } else {
            // The batch is kept and sent again: the same batch sent twice counts once.
            thread::sleep(INTERVAL);
        }
    }
}

/// Returns whether the batch is done: stored, or rejected for good.
fn send(agent: &ureq::Agent, url: &str, token: Option<&str>, batch: &[Value]) -> bool {
    let request = agent.post(url);
    let request = if let Some(token) = token { request.header("authorization", token) } else { request };
    match request.send_json(batch) {
        Ok(_) => true,
        Err(ureq::Error::StatusCode(code)) => (400..500).contains(&code) && code != 408 && code != 429,
        Err(_) => false,
    }
}

/// Cache-aside. `name`: as in `[[cache]]`.
pub struct Cache<'a> {
    pub name: &'a str,
    pub ttl: Duration,
    pub reporter: &'a Reporter,
}

impl Cache<'_> {
    /// Returns the value of `key`; `load` reads it from the origin on a miss.
    pub fn get<E: From<RedisError>>(
        &self,
        redis: &mut impl Commands,
        key: &str,
        load: impl FnOnce(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let name = format!("{}:{key}", self.name);
        if let Some(value) = redis.get::<_, Option<Vec<u8>>>(&name)? {
            self.reporter.report(self.name, key, "get", None);
            return Ok(value);
        }
        let started = Instant::now();
        let loaded = load(key);
        self.reporter.report(self.name, key, "get", Some(started.elapsed()));
        let value = loaded?;
        redis.pset_ex::<_, _, ()>(&name, value.as_slice(), self.ttl.as_millis() as u64)?;
        Ok(value)
    }

    /// Call this after the origin's value of `key` has changed; `drop_copy` drops the copy too.
    pub fn written(&self, redis: &mut impl Commands, key: &str, drop_copy: bool) -> Result<(), RedisError> {
        self.reporter.report(self.name, key, "write", None);
        if drop_copy {
            redis.del::<_, ()>(format!("{}:{key}", self.name))?;
            self.reporter.report(self.name, key, "delete", None);
        }
        Ok(())
    }
}

/// FNV-1a over UTF-8 with the finalizer of MurmurHash3, 32 bits: the same in every language.
fn hash(key: &str) -> u32 {
    let h = key.bytes().fold(0x811c_9dc5_u32, |h, byte| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}
