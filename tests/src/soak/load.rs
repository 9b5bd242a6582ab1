//! The threads that work on the service: senders of samples and events at a constant rate, readers by PromQL, SQL and the
//! routes of advice, and full compactions.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use almanac_engine::series::{Labels, Sample, stale_marker};
use serde_json::json;

use super::{
    plan::{Plan, TICK_MS, generation, labels, value},
    service::{Handle, Sent},
};

/// Number of senders; each has slots of its own.
pub(super) const SENDERS: usize = 2;
/// Errors that are kept for the report.
const ERRORS_KEPT: usize = 3;
/// Code of the error of a statement that missed its deadline.
const DEADLINE: &str = "sql_deadline";
/// Pause of a reader between two questions.
const PAUSE: Duration = Duration::from_millis(300);
/// Pause of a sender when the service is busy.
const BUSY: Duration = Duration::from_millis(100);
/// Pause between two full compactions.
const COMPACT_PAUSE: Duration = Duration::from_secs(5);
/// Cache events of a second.
const EVENTS: u64 = 20;

/// What the threads share.
#[derive(Debug, Default)]
pub(super) struct Load {
    is_over: AtomicBool,
    /// Ticks that are acknowledged, by sender.
    acknowledged: [Mutex<BTreeSet<u64>>; SENDERS],
    /// Number of acknowledged samples, without stale markers.
    samples: AtomicU64,
    /// Number of answers of each kind of reader.
    answers: [AtomicU64; 3],
    /// Number of SQL statements that missed their deadline.
    late: AtomicU64,
    /// Number of full compactions.
    compactions: AtomicU64,
    /// Times that a sender was told to wait.
    busy: AtomicU64,
    /// Longest time from a tick to its acknowledgement, and of a question, since they were read last, in microseconds.
    longest: [AtomicU64; 2],
    errors: AtomicU64,
    messages: Mutex<Vec<String>>,
}

/// Kinds of readers.
pub(super) const READERS: [&str; 3] = ["PromQL", "SQL", "advice"];

impl Load {
    /// Starts all threads.
    pub(super) fn start(self: &Arc<Self>, plan: Plan, handle: &Handle) -> Vec<thread::JoinHandle<()>> {
        let spawn = |work: fn(&Self, Plan, &Handle, usize), number: usize| {
            let (load, handle) = (Arc::clone(self), handle.clone());
            thread::spawn(move || work(&load, plan, &handle, number))
        };
        let mut threads: Vec<_> = (0..SENDERS).map(|sender| spawn(Self::send, sender)).collect();
        threads.extend((0..3).map(|reader| spawn(Self::read, reader)));
        threads.push(spawn(Self::events, 0));
        threads.push(spawn(Self::compact, 0));
        threads
    }

    /// Ends all threads after what they do at the moment.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    /// Returns the acknowledged ticks of a slot's sender.
    pub(super) fn ticks(&self, slot: u64) -> BTreeSet<u64> {
        self.acknowledged[sender_of(slot)].lock().map_or_else(|_| BTreeSet::new(), |ticks| ticks.clone())
    }

    /// Returns the number of acknowledged samples.
    pub(super) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Returns the number of answers of a kind of reader.
    pub(super) fn answers(&self, reader: usize) -> u64 {
        self.answers[reader].load(Ordering::Relaxed)
    }

    /// Returns the number of full compactions that were requested and done.
    pub(super) fn compactions(&self) -> u64 {
        self.compactions.load(Ordering::Relaxed)
    }

    /// Returns the number of SQL statements that missed their deadline.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Returns how often a sender was told to wait.
    pub(super) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Returns the number of errors.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Returns the first messages of errors.
    pub(super) fn messages(&self) -> Vec<String> {
        self.messages.lock().map_or_else(|_| Vec::new(), |messages| messages.clone())
    }

    /// Returns the longest time from a tick to its acknowledgement, and of a question, since the last call.
    pub(super) fn take_longest(&self) -> [Duration; 2] {
        [0, 1].map(|idx| Duration::from_micros(self.longest[idx].swap(0, Ordering::Relaxed)))
    }

    fn note_time(&self, idx: usize, time: Duration) {
        self.longest[idx].fetch_max(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn note_error(&self, message: String) {
        // Questions that are interrupted by the end of the run are no errors.
        if !self.goes_on() {
            return;
        }
        self.errors.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut messages) = self.messages.lock()
            && messages.len() < ERRORS_KEPT
        {
            messages.push(message);
        }
    }

    /// Sends the slots of a sender at each tick.
    fn send(&self, plan: Plan, handle: &Handle, sender: usize) {
        let started = Instant::now();
        let own = || (sender as u64..plan.slots).step_by(SENDERS);
        let mut series: Vec<Labels> = Vec::new();
        for tick in 0.. {
            let due = started + Duration::from_millis(tick * TICK_MS.unsigned_abs());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if !self.goes_on() {
                return;
            }
            let batch = match batch(plan, own(), &mut series, tick) {
                Ok(batch) => batch,
                Err(error) => return self.note_error(error),
            };
            loop {
                match handle.put(&batch) {
                    Ok(Sent::Acknowledged) => break,
                    Ok(Sent::Busy) => {
                        self.busy.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => self.note_error(error),
                }
                // The same samples are sent again, as a sender with a log does.
                if !self.goes_on() {
                    return;
                }
                thread::sleep(BUSY);
            }
            self.note_time(0, due.elapsed());
            self.samples.fetch_add(own().count() as u64, Ordering::Relaxed);
            if let Ok(mut ticks) = self.acknowledged[sender].lock() {
                ticks.insert(tick);
            }
        }
    }

    /// Asks one kind of questions until the end.
    fn read(&self, plan: Plan, handle: &Handle, reader: usize) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let started = Instant::now();
            match ask(handle, plan, reader, number) {
                Ok(()) => {
                    self.note_time(1, started.elapsed());
                    self.answers[reader].fetch_add(1, Ordering::Relaxed);
                }
                // Counted apart: on a machine with other work it says more about the machine.
                Err(error) if error.contains(DEADLINE) => {
                    self.late.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => self.note_error(error),
            }
            thread::sleep(PAUSE);
        }
    }

    /// Requests full compactions.
    fn compact(&self, _: Plan, handle: &Handle, _: usize) {
        while self.goes_on() {
            match handle.compact() {
                Ok(Sent::Acknowledged) => {
                    self.compactions.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Sent::Busy) => {}
                Err(error) => self.note_error(error),
            }
            thread::sleep(COMPACT_PAUSE);
        }
    }

    /// Reports events of a cache every second.
    fn events(&self, plan: Plan, handle: &Handle, _: usize) {
        for second in 0_u64.. {
            if !self.goes_on() {
                return;
            }
            let event = |number: u64| {
                let op = if number == 0 { "write" } else { "get" };
                let key = (second * 7 + number * number) % 50;
                json!({ "type": "cache", "timestamp": plan.at_ms(second), "cache": "pages", "key": format!("page-{key}"), "op": op })
            };
            let events: Vec<serde_json::Value> = (0..EVENTS).map(event).collect();
            if let Err(error) = handle.post("/v1/events", &events.into()) {
                self.note_error(error);
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// Returns the sender of a slot.
#[expect(clippy::cast_possible_truncation, reason = "below the number of senders")]
fn sender_of(slot: u64) -> usize {
    (slot % SENDERS as u64) as usize
}

/// Returns the samples of some slots at a tick, with a stale marker for each series that is replaced. `series`: the labels
/// of the last tick, which become those of this one.
fn batch(
    plan: Plan,
    slots: impl Iterator<Item = u64>,
    series: &mut Vec<Labels>,
    tick: u64,
) -> Result<Vec<(Labels, Vec<Sample>)>, String> {
    let timestamp_ms = plan.at_ms(tick);
    let mut batch = Vec::new();
    for (idx, slot) in slots.enumerate() {
        let now = generation(slot, tick);
        if idx == series.len() {
            series.push(labels(slot, now)?);
        } else if tick > 0 && generation(slot, tick - 1) != now {
            let ended = std::mem::replace(&mut series[idx], labels(slot, now)?);
            batch.push((ended, vec![Sample { timestamp_ms, value: stale_marker() }]));
        }
        batch.push((series[idx].clone(), vec![Sample { timestamp_ms, value: value(slot, tick) }]));
    }
    Ok(batch)
}

/// Asks one question of a kind.
fn ask(handle: &Handle, plan: Plan, reader: usize, number: usize) -> Result<(), String> {
    let promql = [
        "sum by (job) (rate(soak_requests_total[30s]))",
        "quantile by (zone) (0.95, soak_load)",
        "count({slot=~\".+\"})",
        "max_over_time(sum(soak_noise)[30s:5s])",
    ];
    let sql = [
        "SELECT count(*), avg(value) FROM samples WHERE timestamp > now() - INTERVAL 30 SECOND",
        "SELECT name, count(*) FROM series GROUP BY ALL ORDER BY 2 DESC",
        "SELECT signal, status, model FROM signals",
        "SELECT max(timestamp) FROM samples JOIN series USING (series_id) WHERE name = 'soak_load'",
    ];
    let advice = ["/v1/advice", "/v1/recommendations", "/v1/signals", "/v1/anomalies", "/v1/incidents", "/metrics"];
    let at = |count: usize| number % count;
    match reader {
        0 => {
            let now_ms = plan.start_ms.max(chrono::Utc::now().timestamp_millis());
            let (from, until) = ((now_ms / 1000 - 60).to_string(), (now_ms / 1000).to_string());
            let query = [("query", promql[at(promql.len())]), ("start", &from), ("end", &until), ("step", "5")];
            handle.get("/api/v1/query_range", &query).map(drop)
        }
        1 => handle.sql(sql[at(sql.len())]).map(drop),
        _ => handle.get(advice[at(advice.len())], &[]).map(drop),
    }
}
