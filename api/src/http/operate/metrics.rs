//! `GET /metrics`: the service's metrics about itself, and the newest score of each signal.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use almanac_engine::{
    advise::threshold::ExpectedBreach,
    database::traces::TraceCounts,
    ingest::IngestCounts,
    rules::Judged,
    store::{
        StoreError, StoreStats, WorkerStats,
        rows::{AnomalyRow, RowFilter, SignalFilter, WebhookRow},
    },
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderMap,
        header::{ACCEPT, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::http::{ApiError, AppState, Lane, ingest, notices};

/// Labels of the request counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    path: String,
    status: u16,
}

/// Labels of the request duration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: String,
}

/// Labels of the metrics of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    signal: String,
}

/// Maximum age of a score in `/metrics`: this many steps of the signal plus [`SCORE_MAX_AGE_MS`].
///
/// An alert that reads an older score would use an outdated band; without the series it resolves.
const SCORE_MAX_AGE_STEPS: i64 = 5;
/// Constant part of the maximum age, in milliseconds.
const SCORE_MAX_AGE_MS: i64 = 120_000;

/// Labels of the metrics of an expected breach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    alert: String,
}

/// Labels of the metrics of a background task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    task: &'static str,
}

/// The service's metrics about itself.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<PathLabels, Histogram, fn() -> Histogram>,
    task_runs: Family<TaskLabels, Counter>,
    task_failures: Family<TaskLabels, Counter>,
    task_panics: Family<TaskLabels, Counter>,
    clock_leap: Gauge<f64, AtomicU64>,
    task_seconds: Family<TaskLabels, Counter<f64, AtomicU64>>,
    in_flight: AtomicU64,
    /// None until the first round of advice.
    breaches: Mutex<Option<Vec<ExpectedBreach>>>,
    /// Empty until the first round of advice.
    targets: Mutex<Vec<Judged>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates all metrics with the value 0.
    #[must_use]
    pub fn new() -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let durations = Family::<PathLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| {
            // 1 ms to 16 s.
            Histogram::new(exponential_buckets(0.001, 2.0, 15))
        });
        let task_runs = Family::<TaskLabels, Counter>::default();
        let task_failures = Family::<TaskLabels, Counter>::default();
        let task_panics = Family::<TaskLabels, Counter>::default();
        let clock_leap = Gauge::<f64, AtomicU64>::default();
        let task_seconds = Family::<TaskLabels, Counter<f64, AtomicU64>>::default();
        let mut registry = Registry::with_prefix("almanac");
        registry.register("http_requests", "HTTP requests by method, route and status", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time until the response headers of HTTP requests",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register("task_runs", "Runs of background tasks", task_runs.clone());
        registry.register("task_failures", "Failed runs of background tasks", task_failures.clone());
        registry.register(
            "task_panics",
            "Background tasks that ended by a panic and were started again",
            task_panics.clone(),
        );
        registry.register_with_unit(
            "clock_leap",
            "Leap of the system's clock that is not settled, 0 in normal operation",
            Unit::Seconds,
            clock_leap.clone(),
        );
        registry.register_with_unit(
            "task_duration",
            "Time spent in background tasks",
            Unit::Seconds,
            task_seconds.clone(),
        );
        let in_flight = AtomicU64::new(0);
        Self {
            registry,
            requests,
            durations,
            task_runs,
            task_failures,
            task_panics,
            clock_leap,
            task_seconds,
            in_flight,
            breaches: Mutex::default(),
            targets: Mutex::default(),
        }
    }

    /// Counts a run of a background task.
    pub fn task(&self, task: &'static str, seconds: f64, failed: bool) {
        let labels = TaskLabels { task };
        self.task_runs.get_or_create(&labels).inc();
        self.task_seconds.get_or_create(&labels).inc_by(seconds);
        // Counters that are there from the first run on, so that the first failure is an increase.
        self.task_failures.get_or_create(&labels).inc_by(u64::from(failed));
        drop(self.task_panics.get_or_create(&labels));
    }

    /// Counts a background task that ended by a panic.
    pub fn task_panicked(&self, task: &'static str) {
        self.task_panics.get_or_create(&TaskLabels { task }).inc();
    }

    /// Replaces the breaches that are expected of the alerting rules in force.
    pub fn expect_breaches(&self, breaches: Vec<ExpectedBreach>) {
        *self.breaches.lock() = Some(breaches);
    }

    /// Returns the expected breaches of the last round of advice; `None` before the first.
    pub fn expected_breaches(&self) -> Option<Vec<ExpectedBreach>> {
        self.breaches.lock().clone()
    }

    /// Replaces the judged objectives.
    pub fn judge_targets(&self, targets: Vec<Judged>) {
        *self.targets.lock() = targets;
    }

    /// Returns the judged objectives of the last round of advice; none before the first.
    pub fn judged_targets(&self) -> Vec<Judged> {
        self.targets.lock().clone()
    }

    /// Sets the leap of the clock that is not settled, in milliseconds.
    pub fn clock_leapt(&self, by_ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "a duration in seconds needs no more than 53 bits")]
        self.clock_leap.set(by_ms as f64 / 1000.0);
    }

    /// Returns all metrics in the `OpenMetrics` text format.
    fn render(
        &self,
        stats: &StoreStats,
        workers: WorkerStats,
        (counts, traces): (&IngestCounts, TraceCounts),
        scores: &[AnomalyRow],
        webhooks: &[(WebhookRow, i64)],
    ) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry)?;
        text::encode_registry(&mut out, &store_registry(stats, self.in_flight.load(Ordering::Relaxed)))?;
        text::encode_registry(&mut out, &worker_registry(workers))?;
        text::encode_registry(&mut out, &ingest::registry(counts, traces))?;
        text::encode_registry(&mut out, &signal_registry(scores))?;
        text::encode_registry(&mut out, &notices::registry(webhooks))?;
        text::encode_registry(&mut out, &breach_registry(self.breaches.lock().as_deref().unwrap_or_default()))?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}

/// Returns the counts of the worker processes for analysts' SQL.
fn worker_registry(workers: WorkerStats) -> Registry {
    let mut registry = Registry::with_prefix("almanac");
    let running = i64::try_from(workers.running).unwrap_or(i64::MAX);
    registry.register("sql_workers", "Worker processes for SQL", ConstGauge::new(running));
    let mut counter = |name: &str, help: &str, value: u64| registry.register(name, help, ConstCounter::new(value));
    counter("sql_workers_started", "Worker processes for SQL that were started", workers.started);
    counter("sql_workers_ended", "Worker processes for SQL that a statement ended", workers.ended);
    registry
}

/// Returns the newest scored point of each signal; alerting rules with moving bounds read these metrics.
fn signal_registry(scores: &[AnomalyRow]) -> Registry {
    let mut registry = Registry::with_prefix("almanac");
    let mut gauges = |name: &str, help: &str, of: fn(&AnomalyRow) -> f64| {
        let family = Family::<SignalLabels, Gauge<f64, AtomicU64>>::default();
        for row in scores {
            family.get_or_create(&SignalLabels { signal: row.signal.clone() }).set(of(row));
        }
        registry.register(name, help, family);
    };
    gauges("signal_value", "Newest scored value of a signal", |row| row.value);
    gauges("signal_expected", "Expected value of the signal at that point", |row| row.yhat);
    gauges("signal_lower", "Lower end of the band around the expected value", |row| row.yhat_lower);
    gauges("signal_upper", "Upper end of the band around the expected value", |row| row.yhat_upper);
    gauges("signal_anomaly_score", "Anomaly score of the newest value, an anomaly above 1", |row| row.score);
    registry
}

/// Returns the expected breach of each alert, that of the series which is the first to breach.
fn breach_registry(breaches: &[ExpectedBreach]) -> Registry {
    let mut registry = Registry::with_prefix("almanac");
    let mut gauges = |name: &str, help: &str, of: fn(&ExpectedBreach) -> i64| {
        let family = Family::<AlertLabels, Gauge<f64, AtomicU64>>::default();
        let alerts: HashSet<&str> = breaches.iter().map(|expected| expected.alert.as_str()).collect();
        for alert in alerts {
            let soonest = breaches.iter().filter(|expected| expected.alert == alert).map(of).min();
            #[expect(clippy::cast_precision_loss, reason = "a time in seconds needs no more than 53 bits")]
            let seconds = soonest.unwrap_or_default() as f64 / 1000.0;
            family.get_or_create(&AlertLabels { alert: alert.to_owned() }).set(seconds);
        }
        registry.register_with_unit(name, help, Unit::Seconds, family);
    };
    gauges(
        "breach_expected_timestamp",
        "Time at which the signal of an alert is expected to pass its bound",
        |expected| expected.breach.expected_ms,
    );
    gauges("breach_earliest_timestamp", "Earliest time of that breach by the 95 % interval of the trend", |expected| {
        expected.breach.earliest_ms
    });
    registry
}

fn store_registry(stats: &StoreStats, in_flight: u64) -> Registry {
    let mut registry = Registry::with_prefix("almanac");
    let mut gauge = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    };
    gauge("http_requests_in_flight", "HTTP requests in progress", in_flight);
    gauge("store_series", "Series in the store", stats.series);
    gauge("store_series_limit", "Maximum number of series", stats.max_series);
    gauge("store_label_bytes", "Length of all distinct names and values of labels", stats.label_bytes);
    gauge(
        "store_label_limit_bytes",
        "Maximum length of all distinct names and values of labels",
        stats.max_label_bytes,
    );
    gauge("store_samples_hot", "Samples in hot segments", stats.samples_hot);
    gauge("store_samples_late", "Samples in late segments", stats.samples_late);
    gauge("store_samples_cold", "Samples in cold segments", stats.samples_cold);
    gauge("store_samples_recent", "Samples held in memory", stats.samples_recent);
    gauge("store_block_cache_bytes", "Memory of compressed samples that queries have read", stats.block_cache_bytes);
    gauge("store_segments", "Segments of all kinds", stats.segments);
    gauge("store_file_bytes", "Size of the database file", stats.file_bytes);
    gauge("store_wal_bytes", "Size of the write-ahead log", stats.wal_bytes);
    if let Some(free) = stats.disk_free_bytes {
        gauge("store_disk_free_bytes", "Free space of the disk with the store", free);
    }
    if let Some(newest) = stats.newest_ms.and_then(|newest| u64::try_from(newest).ok()) {
        gauge("store_newest_sample_timestamp_seconds", "Newest timestamp of a sample", newest / 1000);
    }
    gauge("store_ready", "Whether the store takes writes", u64::from(stats.ready));
    gauge("store_samples_lost", "Acknowledged samples that were missing at the last start", stats.samples_lost);
    gauge("store_histograms", "Native histograms", stats.histograms);
    gauge("store_rows_held", "Expired rows that retention holds back", stats.rows_held);
    gauge("store_queue_bytes", "Size of the samples that wait to be written", stats.queue_bytes);
    gauge("store_queue_limit_bytes", "Maximum size of the samples that wait to be written", stats.queue_limit_bytes);
    gauge("store_queue_batches", "Batches that wait to be written", stats.queue_batches);
    let mut counter = |name: &str, help: &str, value: u64| registry.register(name, help, ConstCounter::new(value));
    counter("store_series_refused", "New series rejected because of the limit", stats.series_refused);
    counter("store_busy", "Batches rejected because the queue was full", stats.busy);
    counter("store_commits", "Transactions committed", stats.commits);
    counter("store_commits_failed", "Transactions that failed", stats.commits_failed);
    counter("store_samples_written", "Samples written", stats.samples_written);
    counter("store_samples_unchanged", "Samples received that were already stored", stats.samples_unchanged);
    counter("store_samples_came_late", "Samples not newer than the newest of their series", stats.samples_came_late);
    counter("store_compactions", "Compactions run", stats.compactions);
    counter("store_damaged_blocks", "Reads and compactions that found damaged data", stats.damaged_blocks);
    #[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^53")]
    let seconds = stats.commit_us as f64 / 1e6;
    registry.register_with_unit(
        "store_commit_duration",
        "Time spent in commits",
        Unit::Seconds,
        ConstCounter::new(seconds),
    );
    registry
}

/// Returns the service's metrics in the Prometheus text format, or as `OpenMetrics` if `Accept` contains it.
#[utoipa::path(get, path = "/metrics", tag = "operate", responses((status = 200, description = "OpenMetrics or Prometheus text")))]
pub(super) async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let store = state.store.clone();
    let now = state.clock.now();
    let read = move || {
        let steps: HashMap<String, i64> =
            store.signals(&SignalFilter::default())?.into_iter().map(|row| (row.signal, row.step_ms)).collect();
        let max_age_ms = |step_ms: i64| SCORE_MAX_AGE_STEPS.saturating_mul(step_ms).saturating_add(SCORE_MAX_AGE_MS);
        let Some(longest_ms) = steps.values().copied().max() else { return Ok(Vec::new()) };
        let start = Some(now.plus_millis(-max_age_ms(longest_ms)));
        let mut rows = store.anomalies(&RowFilter { start, latest: true, ..RowFilter::default() })?;
        rows.retain(|row| {
            let age_ms = now.millis() - row.timestamp.millis();
            steps.get(&row.signal).is_some_and(|step_ms| age_ms <= max_age_ms(*step_ms))
        });
        Ok::<_, StoreError>(rows)
    };
    // Without scores and webhooks on an error: the other metrics are needed most while the store fails.
    let shared = state.clone();
    let (metrics, ingest, otlp, sql) =
        (state.metrics.clone(), state.ingest.clone(), state.otlp.clone(), state.sql.clone());
    let render = move || {
        let scores = read().unwrap_or_default();
        let webhooks = notices::webhook_places(&shared).unwrap_or_default();
        let workers = sql.map(|workers| workers.stats()).unwrap_or_default();
        let counts = (&ingest.counts(), otlp.trace_counts());
        metrics
            .render(&ingest.store().stats(), workers, counts, &scores, &webhooks)
            .map_err(|error| ApiError::internal(&error))
    };
    let text = state.run(Lane::Vital, render).await?;
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accepted.contains("application/openmetrics-text") {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", plain(&text))
    };
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

/// Converts `OpenMetrics` text into the Prometheus text format: counters have the suffix `_total` in HELP and TYPE too,
/// and there are no UNIT and EOF lines.
fn plain(openmetrics: &str) -> String {
    let counters: HashSet<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let named =
            ["# HELP ", "# TYPE "].iter().find_map(|head| Some((*head, line.strip_prefix(head)?.split_once(' ')?)));
        match named {
            Some((head, (name, rest))) if counters.contains(name) => {
                out.extend([head, name, "_total ", rest]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Middleware: counts requests by the matched route, so that callers cannot create arbitrary label values.
pub(crate) async fn count_requests(State(state): State<AppState>, request: Request, next: Next) -> Response {
    struct InFlight<'a>(&'a AtomicU64);
    impl Drop for InFlight<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        "HEAD" => "HEAD",
        _ => "other",
    };
    let started = Instant::now();
    state.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
    let in_flight = InFlight(&state.metrics.in_flight);
    let response = next.run(request).await;
    drop(in_flight);
    let status = response.status().as_u16();
    state.metrics.durations.get_or_create(&PathLabels { path: path.clone() }).observe(started.elapsed().as_secs_f64());
    state.metrics.requests.get_or_create(&RequestLabels { method, path, status }).inc();
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use almanac_engine::{advise::threshold::Breach, ingest::Reason, store::rows::AnomalyKind};
    use almanac_models::Timestamp;

    use super::*;

    /// Renders metrics with one sample each: empty families are left out.
    fn rendered() -> String {
        let metrics = Metrics::new();
        metrics.task("learn", 0.5, true);
        metrics.task_panicked("learn");
        let breach = |series: &str, expected_ms| ExpectedBreach {
            alert: "Disk".into(),
            expr: "x < 1".into(),
            element: series.into(),
            breach: Breach { expected_ms, earliest_ms: expected_ms - 1000, latest_ms: None, slope_per_day: -1.0 },
        };
        metrics.expect_breaches(vec![breach("a", 9_000), breach("b", 5_000)]);
        metrics.requests.get_or_create(&RequestLabels { method: "GET", path: "/".into(), status: 200 }).inc();
        metrics.durations.get_or_create(&PathLabels { path: "/".into() }).observe(0.1);
        let score = AnomalyRow {
            signal: "s".into(),
            timestamp: Timestamp::from_millis(0),
            value: 1.0,
            yhat: 1.0,
            yhat_lower: 0.0,
            yhat_upper: 2.0,
            score: 0.0,
            kind: AnomalyKind::Value,
        };
        let refused = Reason::ALL.map(|reason| (reason, 0)).to_vec();
        let counts = IngestCounts { accepted: 0, refused, malformed_requests: 0 };
        let webhook =
            WebhookRow { delivered: 5, dead: 1, ..WebhookRow::new("chat".into(), 7, Timestamp::from_millis(0)) };
        let webhooks = [(webhook, 2)];
        metrics
            .render(
                &StoreStats { disk_free_bytes: Some(1), newest_ms: Some(1_000), ..StoreStats::default() },
                WorkerStats::default(),
                (&counts, TraceCounts::default()),
                &[score],
                &webhooks,
            )
            .unwrap()
    }

    #[test]
    fn the_soonest_breach_of_an_alert_is_shown() {
        let text = rendered();
        assert!(text.contains("almanac_breach_expected_timestamp_seconds{alert=\"Disk\"} 5.0\n"), "{text}");
        assert!(text.contains("almanac_breach_earliest_timestamp_seconds{alert=\"Disk\"} 4.0\n"), "{text}");
    }

    #[test]
    fn the_state_of_each_webhook_is_shown() {
        let text = rendered();
        for line in
            ["delivered_total{webhook=\"chat\"} 5", "dead_total{webhook=\"chat\"} 1", "waiting{webhook=\"chat\"} 2"]
        {
            assert!(text.contains(&format!("almanac_webhook_{line}\n")), "{text}");
        }
    }

    #[test]
    fn the_document_lists_every_metric_with_its_type() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operators.md");
        let document = std::fs::read_to_string(path).unwrap();
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `almanac_")?.split_once("` | "));
        let listed: BTreeMap<String, &str> =
            rows.map(|(name, rest)| (format!("almanac_{name}"), rest.split(' ').next().unwrap_or_default())).collect();
        let text = rendered();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let found: BTreeMap<String, &str> = types.map(|(name, kind)| (name.to_owned(), kind)).collect();
        assert_eq!(listed, found);
    }
}
