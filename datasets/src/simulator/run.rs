//! Runs a simulation: builds series, signals, counters and composites, and collects the ground truth.

use almanac_engine::{
    series::{Labels, METRIC_NAME},
    store::rows::{CacheEvent, Deploy, Incident, IncidentVerdict},
};
use almanac_models::Timestamp;

use super::{
    CacheTruth, DeployTruth, Driver, IncidentTruth, OptionsError, Shape, SignalRow, SignalTruth, SimulatorOptions,
    Truth, cache_models, catalogue,
    incidents::{self, InjectedIncident},
    load::Load,
    options::DAY_MS,
    signals, supplies,
    truth::TTL_GRID,
};

/// Series as the application would expose it.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSeries {
    /// Labels of the series, including the name of the metric.
    pub labels: Labels,
    /// One value per timestamp of the run.
    pub values: Vec<f64>,
}

/// Signal: the result of an expression over the series, known without evaluating it.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSignal {
    /// Name of the signal.
    pub name: String,
    /// PromQL expression over the series.
    pub expr: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// One value per timestamp. Where the expression takes a rate over minutes, this is the rate of the step itself.
    pub values: Vec<f64>,
    /// Whether an incident affects the signal at each timestamp.
    pub incident: Vec<bool>,
    /// Whether `expr` evaluates to `values` exactly (false where it smooths by a rate).
    pub exact: bool,
}

/// Simulated run.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Epoch milliseconds of the samples, evenly spaced.
    pub timestamps: Vec<i64>,
    /// Telemetry.
    pub series: Vec<SimulatedSeries>,
    /// Signals over the telemetry.
    pub signals: Vec<SimulatedSignal>,
    /// Cache events, sorted by time.
    pub cache_events: Vec<CacheEvent>,
    /// Deploys.
    pub deploys: Vec<Deploy>,
    /// Incidents.
    pub incidents: Vec<Incident>,
    /// Ground truth.
    pub truth: Truth,
}

impl Simulation {
    /// Drops everything after an instant, in epoch milliseconds, as if the run was observed then.
    #[must_use]
    pub fn until(mut self, last_ms: i64) -> Self {
        let steps = self.timestamps.partition_point(|at| *at <= last_ms);
        self.timestamps.truncate(steps);
        self.series.iter_mut().for_each(|series| series.values.truncate(steps));
        for signal in &mut self.signals {
            signal.values.truncate(steps);
            signal.incident.truncate(steps);
        }
        self.cache_events.retain(|event| event.timestamp.millis() <= last_ms);
        self.deploys.retain(|deploy| deploy.at.millis() <= last_ms);
        self.incidents.retain(|incident| incident.started_at.millis() <= last_ms);
        for incident in &mut self.incidents {
            incident.ended_at = incident.ended_at.filter(|end| end.millis() <= last_ms);
        }
        self.truth.steps = steps;
        self.truth.incidents.retain(|incident| incident.started_at_ms <= last_ms);
        self.truth.deploys.retain(|deploy| deploy.at_ms <= last_ms);
        self
    }

    /// Returns the signal with this name.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<&SimulatedSignal> {
        self.signals.iter().find(|signal| signal.name == name)
    }
}

/// Handlers of the API: name in the catalogue, path, mean requests per second.
const HANDLERS: [(&str, &str, f64); 4] = [
    ("api_health", "/api/health", 4.0),
    ("api_calendar_events", "/api/calendar/events", 26.0),
    ("api_tasks", "/api/tasks", 22.0),
    ("api_auth_refresh", "/api/auth/refresh", 8.0),
];

/// Caches: name, reads per request.
const CACHE_READS: [(&str, f64); 4] =
    [("user_profile", 0.6), ("calendar_monthly", 0.4), ("task_counters", 0.5), ("oauth_userinfo", 0.15)];

/// Simulates the application.
///
/// # Errors
/// [`OptionsError`] when the options are out of bounds.
///
/// ```
/// use almanac_datasets::simulator::{SimulatorOptions, simulate};
/// let run = simulate(&SimulatorOptions { weeks: 1, cache_hours: 0.0, ..Default::default() }).unwrap();
/// assert_eq!(run.timestamps.len(), 7 * 1440);
/// assert_eq!(run.signal("api_cpu").unwrap().values.len(), 7 * 1440);
/// ```
pub fn simulate(options: &SimulatorOptions) -> Result<Simulation, OptionsError> {
    options.check()?;
    let step_ms = options.step.millis();
    let timestamps: Vec<i64> =
        (0_i64..).take(options.n_steps()).map(|t| options.start.millis() + t * step_ms).collect();
    let incidents = incidents::plan(options);
    let deploys = deploys(options);
    let mut build = Builder::new(options, &incidents);
    // In this order: requests need the latencies' means, composites need all series.
    build.measurements(&deploys);
    build.requests();
    build.composites();
    let Builder { series, signals, seasons, .. } = build;
    let models = if options.cache_hours > 0.0 { cache_models() } else { Vec::new() };
    let mut cache_events: Vec<CacheEvent> = models.iter().flat_map(|model| model.events(options)).collect();
    cache_events.sort_by_key(|event| event.timestamp);
    let at = |step: usize| timestamps[step.min(timestamps.len() - 1)];
    let truth = Truth {
        seed: options.seed,
        start_ms: options.start.millis(),
        step_ms,
        steps: timestamps.len(),
        growth_per_week: options.growth_per_week,
        signals: signals
            .iter()
            .zip(seasons)
            .map(|(signal, seasons_ms)| SignalTruth {
                signal: signal.name.clone(),
                unit: signal.unit.into(),
                seasons_ms,
            })
            .collect(),
        incidents: incidents
            .iter()
            .map(|incident| IncidentTruth {
                kind: incident.kind,
                started_at_ms: at(incident.first),
                ended_at_ms: at(incident.end - 1),
                target: incident.kind.target().into(),
                signals: affected_signals(&signals, incident),
            })
            .collect(),
        deploys: deploys.clone(),
        caches: models
            .iter()
            .map(|model| CacheTruth { model: model.clone(), ttls: TTL_GRID.map(|ttl| model.at_ttl(ttl)).to_vec() })
            .collect(),
    };
    let incidents = truth.incidents.iter().map(incident_row).collect();
    let deploys = deploys
        .into_iter()
        .map(|deploy| Deploy {
            at: Timestamp::from_millis(deploy.at_ms),
            service: deploy.service,
            version: Some(deploy.version),
        })
        .collect();
    Ok(Simulation { timestamps, series, signals, cache_events, deploys, incidents, truth })
}

/// Returns the names of the signals that an incident affects.
fn affected_signals(signals: &[SimulatedSignal], incident: &InjectedIncident) -> Vec<String> {
    let touched = |signal: &&SimulatedSignal| incidents::touches(incident.kind, &sources(&signal.name));
    signals.iter().filter(touched).map(|signal| signal.name.clone()).collect()
}

fn incident_row(incident: &IncidentTruth) -> Incident {
    Incident {
        started_at: Timestamp::from_millis(incident.started_at_ms),
        ended_at: Some(Timestamp::from_millis(incident.ended_at_ms)),
        title: incident.kind.title().into(),
        target: Some(incident.target.clone()),
        source: "simulator".into(),
        verdict: IncidentVerdict::Real,
    }
}

/// Returns a deploy each Tuesday at 14:00 and each Thursday at 11:00.
fn deploys(options: &SimulatorOptions) -> Vec<DeployTruth> {
    let hour = DAY_MS / 24;
    let slots = (0..i64::from(options.weeks)).flat_map(|week| [(week * 7 + 1, 14), (week * 7 + 3, 11)]);
    slots
        .enumerate()
        .map(|(idx, (day, at))| DeployTruth {
            at_ms: options.start.millis() + day * DAY_MS + at * hour,
            service: "api".into(),
            version: format!("1.{}", idx + 1),
        })
        .collect()
}

/// Returns the names of the catalogue's rows from which a signal is built.
fn sources(signal: &str) -> Vec<&str> {
    let handlers = || HANDLERS.iter().map(|(name, ..)| *name).collect();
    match signal {
        "api_p95_seconds" | "api_p99_seconds" => handlers(),
        "query_p95_seconds" => vec!["query_simple", "query_join", "query_aggregation"],
        "api_requests_per_second" => vec!["load"],
        "cpu_ratio" => vec!["api_cpu", "worker_cpu", "db_cpu"],
        "memory_ratio" => vec!["api_memory", "worker_memory", "db_memory"],
        "pool_ratio" => vec!["db_connections"],
        "cache_hit_ratio" => vec!["cache_miss_ratio"],
        other => {
            let base = ["_mean_seconds", "_p95_seconds", "_p99_seconds"].iter().find_map(|end| other.strip_suffix(end));
            vec![base.unwrap_or(other)]
        }
    }
}

struct Builder<'a> {
    options: &'a SimulatorOptions,
    incidents: &'a [InjectedIncident],
    load: Load,
    series: Vec<SimulatedSeries>,
    signals: Vec<SimulatedSignal>,
    seasons: Vec<Vec<i64>>,
    latency_means: Vec<(&'static str, Labels, Vec<f64>)>,
}

impl<'a> Builder<'a> {
    fn new(options: &'a SimulatorOptions, incidents: &'a [InjectedIncident]) -> Self {
        Self {
            options,
            incidents,
            load: Load::new(options),
            series: Vec::new(),
            signals: Vec::new(),
            seasons: Vec::new(),
            latency_means: Vec::new(),
        }
    }

    fn add_series(&mut self, labels: Labels, values: Vec<f64>) {
        self.series.push(SimulatedSeries { labels, values });
    }

    fn add_signal(
        &mut self,
        name: String,
        expr: String,
        unit: &'static str,
        values: Vec<f64>,
        driver: Driver,
        exact: bool,
    ) {
        let incident = incidents::labels(self.incidents, &sources(&name), values.len());
        let seasons = match driver {
            Driver::Load => vec![DAY_MS, 7 * DAY_MS],
            Driver::Nightly => vec![DAY_MS],
            Driver::Flat => Vec::new(),
        };
        self.seasons.push(seasons);
        self.signals.push(SimulatedSignal { name, expr, unit, values, incident, exact });
    }

    /// Adds the rows of the catalogue.
    fn measurements(&mut self, deploys: &[DeployTruth]) {
        for row in catalogue() {
            let labels = labels_of(row.metric, row.labels);
            match row.shape {
                Shape::Latency => self.latency(&row, &labels),
                Shape::Gauge { .. } | Shape::Constant => {
                    let values = match row.name {
                        "bundle_size" => bundle(self.options, deploys, row.mean),
                        "certificate_expiry" => supplies::certificate(self.options),
                        "disk_free" => supplies::disk(self.options),
                        _ => signals::gauge(self.options, &self.load, self.incidents, &row),
                    };
                    self.add_signal(row.name.into(), labels.to_string(), row.unit, values.clone(), row.driver, true);
                    self.add_series(labels, values);
                }
            }
        }
    }

    fn latency(&mut self, row: &SignalRow, labels: &Labels) {
        let values = signals::latency(self.options, &self.load, self.incidents, row);
        for (quantile, name, values) in
            [("0.5", None, values.p50), ("0.95", Some("p95"), values.p95), ("0.99", Some("p99"), values.p99)]
        {
            let labels = labels.to_builder().set("quantile", quantile).build();
            if let Some(name) = name {
                let name = format!("{}_{name}_seconds", row.name);
                self.add_signal(name, labels.to_string(), "seconds", values.clone(), row.driver, true);
            }
            self.add_series(labels, values);
        }
        self.latency_means.push((row.name, labels.clone(), values.mean));
    }

    /// Adds counters: requests by handler and status, and the `_sum` and `_count` of each latency.
    fn requests(&mut self) {
        let error = self.series_values("http_error_ratio");
        let mut total = vec![0.0; self.options.n_steps()];
        for (name, labels, means) in std::mem::take(&mut self.latency_means) {
            let handler = HANDLERS.iter().find(|(row, ..)| *row == name);
            // Queries and Redis commands have no handler: 12 per second.
            let rate = handler.map_or(12.0, |(_, _, rate)| *rate);
            let counts = signals::requests(self.options, &self.load, self.incidents, &format!("{name} count"), rate);
            let metric = labels.metric_name().to_owned();
            let with_name = |suffix: &str| labels.to_builder().set(METRIC_NAME, &format!("{metric}{suffix}")).build();
            let (sum, count) = (with_name("_sum"), with_name("_count"));
            let expr = format!("rate({sum}[5m]) / rate({count}[5m])");
            self.add_series(sum, cumulative(counts.iter().zip(&means).map(|(n, mean)| n * mean)));
            self.add_series(count, cumulative(counts.iter().copied()));
            self.add_signal(format!("{name}_mean_seconds"), expr, "seconds", means, Driver::Load, false);
            if let Some((_, handler, _)) = handler {
                total.iter_mut().zip(&counts).for_each(|(sum, n)| *sum += n);
                let failed = counts.iter().zip(&error).map(|(n, share)| (n * share).round());
                let pairs = |status| [("job", "api"), ("handler", *handler), ("status", status)];
                self.add_series(labels_of("http_requests_total", &pairs("500")), cumulative(failed.clone()));
                let ok = counts.iter().zip(failed).map(|(n, failed)| n - failed);
                self.add_series(labels_of("http_requests_total", &pairs("200")), cumulative(ok));
            }
        }
        self.cache_requests(&total);
        let seconds = self.options.step.millis() as f64 / 1000.0;
        total.iter_mut().for_each(|n| *n /= seconds);
        let expr = r#"sum(rate(http_requests_total{job="api"}[5m]))"#.to_owned();
        self.add_signal("api_requests_per_second".into(), expr, "requests/s", total, Driver::Load, false);
    }

    /// Adds the caches' counters of hits and misses, and the connections in use. `requests`: requests of each step.
    fn cache_requests(&mut self, requests: &[f64]) {
        let miss = self.series_values("cache_miss_ratio");
        for (cache, reads) in CACHE_READS {
            let reads: Vec<f64> = requests.iter().map(|n| (n * reads).round()).collect();
            let misses: Vec<f64> = reads.iter().zip(&miss).map(|(n, share)| (n * share).round()).collect();
            let hits = reads.iter().zip(&misses).map(|(n, misses)| n - misses);
            let labels =
                |result| labels_of("cache_requests_total", &[("job", "api"), ("cache", cache), ("result", result)]);
            self.add_series(labels("hit"), cumulative(hits));
            self.add_series(labels("miss"), cumulative(misses.into_iter()));
        }
        let in_use = self.series_values("pg_stat_activity_connections").iter().map(|n| n.round()).collect();
        self.add_series(labels_of("db_pool_in_use", &[("job", "api")]), in_use);
    }

    /// Adds signals over several series, as objectives and alerts read them.
    fn composites(&mut self) {
        for (name, metric, quantile) in [
            ("api_p95_seconds", "http_request_duration_seconds", "0.95"),
            ("api_p99_seconds", "http_request_duration_seconds", "0.99"),
            ("query_p95_seconds", "db_query_duration_seconds", "0.95"),
        ] {
            let values = self.maximum(|l| l.metric_name() == metric && l.get("quantile") == Some(quantile));
            let expr = format!(r#"max({metric}{{quantile="{quantile}"}})"#);
            self.add_signal(name.into(), expr, "seconds", values, Driver::Load, true);
        }
        let cpu = self.maximum(|l| l.metric_name() == "container_cpu_usage_ratio");
        self.add_signal("cpu_ratio".into(), "max(container_cpu_usage_ratio)".into(), "ratio", cpu, Driver::Load, true);
        let memory = ["api", "worker", "postgres"].map(|container| {
            let used = self.by_container("container_memory_bytes", container);
            let limit = self.by_container("container_memory_limit_bytes", container);
            used.iter().zip(&limit).map(|(used, limit)| used / limit).collect::<Vec<f64>>()
        });
        let memory = (0..self.options.n_steps()).map(|t| memory.iter().map(|m| m[t]).fold(0.0, f64::max)).collect();
        let expr = "max(container_memory_bytes / container_memory_limit_bytes)".to_owned();
        self.add_signal("memory_ratio".into(), expr, "ratio", memory, Driver::Load, true);
        let pool = self.series_values("pg_stat_activity_connections").iter().map(|n| n / 50.0).collect();
        let expr = "pg_stat_activity_connections / scalar(db_pool_size + db_pool_overflow_max)".to_owned();
        self.add_signal("pool_ratio".into(), expr, "ratio", pool, Driver::Load, true);
        let hits = self.series_values("cache_miss_ratio").iter().map(|miss| 1.0 - miss).collect();
        self.add_signal("cache_hit_ratio".into(), "1 - cache_miss_ratio".into(), "ratio", hits, Driver::Flat, true);
        let size = self.series_values("node_filesystem_size_bytes");
        let free = self.series_values("node_filesystem_avail_bytes");
        let free = free.iter().zip(&size).map(|(free, size)| free / size).collect();
        let expr = "node_filesystem_avail_bytes / node_filesystem_size_bytes".to_owned();
        self.add_signal("disk_free_ratio".into(), expr, "ratio", free, Driver::Flat, true);
        let bundle = self.series_values("web_bundle_bytes");
        let per_day = self.options.steps_per_day();
        let growth = (0..bundle.len()).map(|t| bundle[t] / bundle[t.saturating_sub(per_day)] - 1.0).collect();
        let expr = "web_bundle_bytes / (web_bundle_bytes offset 1d) - 1".to_owned();
        self.add_signal("bundle_growth_ratio".into(), expr, "ratio", growth, Driver::Flat, true);
    }

    fn series_values(&self, metric: &str) -> Vec<f64> {
        let found = self.series.iter().find(|series| series.labels.metric_name() == metric);
        found.map_or_else(|| vec![0.0; self.options.n_steps()], |series| series.values.clone())
    }

    fn by_container(&self, metric: &str, container: &str) -> Vec<f64> {
        self.maximum(|labels| labels.metric_name() == metric && labels.get("container") == Some(container))
    }

    fn maximum(&self, wanted: impl Fn(&Labels) -> bool) -> Vec<f64> {
        let mut values = vec![f64::NEG_INFINITY; self.options.n_steps()];
        for series in self.series.iter().filter(|series| wanted(&series.labels)) {
            values.iter_mut().zip(&series.values).for_each(|(most, value)| *most = most.max(*value));
        }
        values
    }
}

fn labels_of(metric: &str, pairs: &[(&str, &str)]) -> Labels {
    let mut builder = Labels::default().to_builder();
    builder.set(METRIC_NAME, metric);
    for (name, value) in pairs {
        builder.set(name, value);
    }
    builder.build()
}

fn cumulative(steps: impl Iterator<Item = f64>) -> Vec<f64> {
    steps
        .scan(0.0, |sum, step| {
            *sum += step;
            Some(*sum)
        })
        .collect()
}

/// Returns the size of the bundle: it grows by 0.5 % per deploy; the fifth deploy adds 25 %, which the sixth removes.
fn bundle(options: &SimulatorOptions, deploys: &[DeployTruth], base: f64) -> Vec<f64> {
    let size = |at_ms: i64| {
        let done = deploys.iter().filter(|deploy| deploy.at_ms <= at_ms).count();
        let slip = if done == 5 { 1.25 } else { 1.0 };
        (base * 1.005_f64.powf(done as f64) * slip).round()
    };
    (0_i64..).take(options.n_steps()).map(|t| size(options.start.millis() + t * options.step.millis())).collect()
}
