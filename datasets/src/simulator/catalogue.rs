//! The catalogue of simulated measurements: names, labels, units, means and 99th percentiles.

/// Component that drives a signal over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Load with a daily and a weekly season.
    Load,
    /// Nightly job with a daily season only.
    Nightly,
    /// No driver: noise around a constant level.
    Flat,
}

/// Form of a signal's samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Latency: a summary with the quantiles 0.5, 0.95 and 0.99 and its `_sum` and `_count`. Mean and 99th percentile
    /// are those of single requests.
    Latency,
    /// Gauge whose values have this mean and 99th percentile and are at most `limit`.
    Gauge {
        /// Largest possible value.
        limit: f64,
    },
    /// Setting that does not change; its value is the mean.
    Constant,
}

/// Measurement of the simulated application.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRow {
    /// Short name, from which the names of its signals are built.
    pub name: &'static str,
    /// Name of the metric.
    pub metric: &'static str,
    /// Labels of the metric other than its name.
    pub labels: &'static [(&'static str, &'static str)],
    /// Unit of the values.
    pub unit: &'static str,
    /// Mean.
    pub mean: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Form of the samples.
    pub shape: Shape,
    /// Component that drives it.
    pub driver: Driver,
}

const MB: f64 = 1_048_576.0;
const UNLIMITED: f64 = f64::INFINITY;

macro_rules! row {
    ($name:literal, $metric:literal { $($key:ident = $value:literal),* }, $unit:literal, $mean:expr, $p99:expr, $shape:expr, $driver:ident) => {
        SignalRow {
            name: $name, metric: $metric, labels: &[$((stringify!($key), $value)),*], unit: $unit, mean: $mean, p99: $p99,
            shape: $shape, driver: Driver::$driver,
        }
    };
}

/// Returns every measurement of the application with its mean and 99th percentile.
#[must_use]
#[rustfmt::skip]
pub fn catalogue() -> Vec<SignalRow> {
    use Shape::{Constant, Gauge, Latency};
    let free = Gauge { limit: UNLIMITED };
    let ratio = Gauge { limit: 0.995 };
    vec![
        row!("api_health", "http_request_duration_seconds" { job = "api", handler = "/api/health" }, "seconds", 0.045, 0.120, Latency, Load),
        row!("api_calendar_events", "http_request_duration_seconds" { job = "api", handler = "/api/calendar/events" }, "seconds", 0.180, 0.450, Latency, Load),
        row!("api_tasks", "http_request_duration_seconds" { job = "api", handler = "/api/tasks" }, "seconds", 0.095, 0.280, Latency, Load),
        row!("api_auth_refresh", "http_request_duration_seconds" { job = "api", handler = "/api/auth/refresh" }, "seconds", 0.110, 0.340, Latency, Load),
        row!("query_simple", "db_query_duration_seconds" { job = "api", query = "simple_select" }, "seconds", 0.015, 0.045, Latency, Load),
        row!("query_join", "db_query_duration_seconds" { job = "api", query = "complex_join" }, "seconds", 0.085, 0.220, Latency, Load),
        row!("query_aggregation", "db_query_duration_seconds" { job = "api", query = "calendar_aggregation" }, "seconds", 0.140, 0.380, Latency, Load),
        row!("redis_get", "redis_command_duration_seconds" { job = "api", command = "get" }, "seconds", 0.002, 0.008, Latency, Load),
        row!("redis_set", "redis_command_duration_seconds" { job = "api", command = "set" }, "seconds", 0.003, 0.012, Latency, Load),
        row!("redis_session", "redis_command_duration_seconds" { job = "api", command = "session_lookup" }, "seconds", 0.005, 0.018, Latency, Load),
        row!("api_cpu", "container_cpu_usage_ratio" { container = "api" }, "ratio", 0.35, 0.75, ratio, Load),
        row!("worker_cpu", "container_cpu_usage_ratio" { container = "worker" }, "ratio", 0.20, 0.60, ratio, Load),
        row!("db_cpu", "container_cpu_usage_ratio" { container = "postgres" }, "ratio", 0.25, 0.55, ratio, Load),
        row!("api_memory", "container_memory_bytes" { container = "api" }, "bytes", 280.0 * MB, 450.0 * MB, Gauge { limit: 510.0 * MB }, Load),
        row!("worker_memory", "container_memory_bytes" { container = "worker" }, "bytes", 180.0 * MB, 320.0 * MB, Gauge { limit: 382.0 * MB }, Load),
        row!("db_memory", "container_memory_bytes" { container = "postgres" }, "bytes", 512.0 * MB, 800.0 * MB, Gauge { limit: 1020.0 * MB }, Load),
        row!("api_memory_limit", "container_memory_limit_bytes" { container = "api" }, "bytes", 512.0 * MB, 512.0 * MB, Constant, Flat),
        row!("worker_memory_limit", "container_memory_limit_bytes" { container = "worker" }, "bytes", 384.0 * MB, 384.0 * MB, Constant, Flat),
        row!("db_memory_limit", "container_memory_limit_bytes" { container = "postgres" }, "bytes", 1024.0 * MB, 1024.0 * MB, Constant, Flat),
        row!("api_connections", "http_connections_open" { job = "api" }, "connections", 45.0, 120.0, free, Load),
        row!("db_connections", "pg_stat_activity_connections" { job = "postgres" }, "connections", 12.0, 25.0, Gauge { limit: 50.0 }, Load),
        row!("db_iops", "container_io_operations_per_second" { container = "postgres" }, "operations/s", 45.0, 180.0, free, Nightly),
        row!("queue_depth", "queue_depth" { job = "worker" }, "jobs", 8.0, 35.0, free, Load),
        row!("queue_job_seconds", "worker_job_duration_seconds" { job = "worker" }, "seconds", 0.25, 1.2, free, Flat),
        row!("pool_size", "db_pool_size" { job = "api" }, "connections", 20.0, 20.0, Constant, Flat),
        row!("pool_overflow", "db_pool_overflow_max" { job = "api" }, "connections", 30.0, 30.0, Constant, Flat),
        row!("pool_recycle", "db_pool_recycle_seconds" { job = "api" }, "seconds", 3600.0, 3600.0, Constant, Flat),
        row!("pool_timeout", "db_pool_timeout_seconds" { job = "api" }, "seconds", 30.0, 30.0, Constant, Flat),
        row!("compression_min", "http_compression_min_bytes" { job = "api" }, "bytes", 1000.0, 1000.0, Constant, Flat),
        row!("missing_indexes", "db_missing_indexes" { job = "postgres" }, "indexes", 0.0, 0.0, Constant, Flat),
        row!("error_ratio", "http_error_ratio" { job = "api" }, "ratio", 0.0005, 0.002, ratio, Flat),
        row!("cache_miss_ratio", "cache_miss_ratio" { job = "api" }, "ratio", 0.10, 0.22, ratio, Flat),
        row!("web_lcp", "web_vitals_lcp_seconds" { quantile = "0.75" }, "seconds", 1.9, 2.4, free, Load),
        row!("web_inp", "web_vitals_inp_seconds" { quantile = "0.75" }, "seconds", 0.12, 0.19, free, Load),
        row!("web_cls", "web_vitals_cls" { quantile = "0.75" }, "score", 0.05, 0.09, free, Flat),
        row!("web_fcp", "web_vitals_fcp_seconds" { quantile = "0.75" }, "seconds", 1.2, 1.7, free, Load),
        row!("web_ttfb", "web_vitals_ttfb_seconds" { quantile = "0.75" }, "seconds", 0.35, 0.70, free, Load),
        row!("web_tti", "web_time_to_interactive_seconds" { quantile = "0.75" }, "seconds", 2.2, 2.9, free, Load),
        row!("web_page_load", "web_page_load_seconds" { quantile = "0.75" }, "seconds", 2.0, 3.5, free, Load),
        row!("web_call_failures", "web_call_failure_ratio" { job = "browser" }, "ratio", 0.002, 0.008, ratio, Flat),
        row!("web_error_boundaries", "web_error_boundaries_per_minute" { job = "browser" }, "errors/min", 0.3, 1.5, free, Load),
        row!("web_session", "web_session_seconds" { quantile = "0.5" }, "seconds", 540.0, 900.0, free, Flat),
        row!("bundle_size", "web_bundle_bytes" { job = "browser" }, "bytes", 430_000.0, 430_000.0, Constant, Flat),
        row!("disk_size", "node_filesystem_size_bytes" { job = "node", mountpoint = "/data", fstype = "ext4" }, "bytes", 1e11, 1e11, Constant, Flat),
        row!("disk_free", "node_filesystem_avail_bytes" { job = "node", mountpoint = "/data", fstype = "ext4" }, "bytes", 0.0, 0.0, Constant, Flat),
        row!("certificate_expiry", "tls_certificate_expiry_seconds" { job = "caddy" }, "seconds", 0.0, 0.0, Constant, Flat),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_series_are_unique_and_figures_possible() {
        let rows = catalogue();
        for (idx, row) in rows.iter().enumerate() {
            assert!(row.p99 >= row.mean, "{}", row.name);
            for other in &rows[..idx] {
                assert_ne!(row.name, other.name);
                assert_ne!((row.metric, row.labels), (other.metric, other.labels));
            }
        }
    }
}
