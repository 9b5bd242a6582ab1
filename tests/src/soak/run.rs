//! Runs the soak: starts the service, works on it, samples it, and compares what it has at the end.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    compare::{Compared, compare},
    load::{Load, READERS},
    plan::Plan,
    probe::{Metrics, Sample, sample},
    service::Service,
};

/// Distance between samples of the service.
const EVERY: Duration = Duration::from_secs(10);
/// Bounds of the retention, in seconds; within them it is a sixth of the run, so that the second half is steady. A signal is
/// learned from 30 values on.
const RAW_S: (f64, f64) = (45.0, 600.0);

/// Row with the number of SQL statements that missed their deadline.
const LATE: &str = "SQL statements past their deadline";

/// What is run.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Path of the program `almanac`.
    pub(super) almanac: PathBuf,
    /// Length of the run.
    pub(super) length: Duration,
    /// Number of series that are alive at once, each with a sample a second.
    pub(super) series: u64,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) samples: Vec<Sample>,
    /// Names and counts of what ran, in the order of the table.
    pub(super) ran: Vec<(String, f64)>,
    /// Retention in seconds.
    pub(super) raw_s: u64,
    /// The comparison, or what differs.
    pub(super) compared: Result<Compared, String>,
    /// What failed in the run, a line each.
    pub(super) failures: Vec<String>,
}

/// Runs the soak. `progress` is called after each sample.
///
/// # Errors
/// When the service does not start, or ends.
pub(super) fn run(options: &Options, progress: &mut dyn FnMut(&Sample)) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let raw = (options.length.as_secs_f64() / 6.0).clamp(RAW_S.0, RAW_S.1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let raw_s = raw as u64;
    let mut service = Service::start(&options.almanac, folder.path(), raw_s)?;
    let handle = service.handle();
    let plan = Plan { slots: options.series, start_ms: chrono::Utc::now().timestamp_millis() / 1_000 * 1_000 };
    let load = Arc::new(Load::default());
    let threads = load.start(plan, &handle);
    let started = Instant::now();
    let mut samples = Vec::new();
    for number in 1.. {
        let due = EVERY * number;
        if due > options.length {
            break;
        }
        thread::sleep(due.saturating_sub(started.elapsed()));
        let taken = sample(started.elapsed().as_secs_f64(), &service, &load, &handle);
        service.process.check().map_err(|error| error.to_string())?;
        let taken =
            taken.map_err(|error| format!("{error}; the service's last lines: {}", service.process.last_lines()))?;
        progress(&taken);
        samples.push(taken);
    }
    thread::sleep(options.length.saturating_sub(started.elapsed()));
    load.end();
    for thread in threads {
        thread.join().map_err(|_| "a thread of the load panicked".to_owned())?;
    }
    // The last round of retention.
    handle.compact()?;
    let compared = compare(&load, plan, &handle, i64::try_from(raw_s * 1_000).unwrap_or(i64::MAX));
    let metrics = Metrics::read(&handle)?;
    let signals = handle.get("/v1/signals", &[("status", "ready"), ("limit", "1000"), ("format", "csv")])?;
    // The first line has the names of the columns.
    let ran = ran(&load, &metrics, signals.lines().skip(1).count() as u64);
    let mut failures = failures(&load, &metrics, &ran);
    failures.extend(service.errors().into_iter().take(3));
    failures.extend(compared.as_ref().err().cloned());
    service.process.stop().map_err(|error| error.to_string())?;
    Ok(Outcome { samples, ran, raw_s, compared, failures })
}

/// Returns what ran, with counts.
fn ran(load: &Load, metrics: &Metrics, signals: u64) -> Vec<(String, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let float = |count: u64| count as f64;
    let mut ran = vec![
        ("samples acknowledged".to_owned(), float(load.samples())),
        ("samples of scrapes and senders stored".to_owned(), metrics.sum("almanac_ingest_samples_total")),
        ("series at the end".to_owned(), metrics.sum("almanac_store_series")),
        ("full compactions".to_owned(), float(load.compactions())),
        ("learned signals".to_owned(), float(signals)),
        ("times that a sender was told to wait".to_owned(), float(load.busy())),
    ];
    let readers = READERS.iter().enumerate();
    ran.extend(readers.map(|(idx, name)| (format!("questions by {name}"), float(load.answers(idx)))));
    ran.push((LATE.to_owned(), float(load.late())));
    let task = |(labels, runs): (&str, f64)| {
        let name = labels.split('"').nth(1).unwrap_or(labels);
        (format!("runs of task {name}"), runs)
    };
    ran.extend(metrics.of("almanac_task_runs_total").map(task).filter(|(_, runs)| *runs > 0.0));
    ran
}

/// Returns what failed: errors, and parts of the work that did not happen.
fn failures(load: &Load, metrics: &Metrics, ran: &[(String, f64)]) -> Vec<String> {
    let mut failures = Vec::new();
    if load.errors() > 0 {
        failures.push(format!("{} requests failed, the first: {}", load.errors(), load.messages().join(" | ")));
    }
    let of = |wanted: &str| ran.iter().find(|(name, _)| name == wanted).map_or(0.0, |(_, count)| *count);
    let (late, asked) = (of(LATE), of("questions by SQL"));
    if late > 0.0 {
        failures.push(format!("{late} of {} SQL statements missed their deadline", late + asked));
    }
    for name in [
        "almanac_task_failures_total",
        "almanac_task_panics_total",
        "almanac_store_commits_failed_total",
        "almanac_store_damaged_blocks_total",
        "almanac_store_rows_held",
        "almanac_ingest_malformed_total",
        "almanac_ingest_refused_total",
    ] {
        let count = metrics.sum(name);
        if count > 0.0 {
            failures.push(format!("{name} is {count}"));
        }
    }
    let needed =
        ["full compactions", "learned signals", "questions by PromQL", "questions by SQL", "questions by advice"];
    let idle = ran.iter().filter(|(name, count)| *count <= 0.0 && needed.contains(&name.as_str()));
    failures.extend(idle.map(|(name, _)| format!("{name}: none, so that the run shows nothing about them")));
    failures
}
