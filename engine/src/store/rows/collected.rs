//! Rows of metric metadata and of scrape targets.

use almanac_models::Timestamp;

use super::{table::table, words::words};

/// Type of a metric, as in Prometheus and OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// A value that only increases, except at a restart.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// Counts of observed values by bucket.
    Histogram,
    /// Counts of present values by bucket.
    GaugeHistogram,
    /// Quantiles of observed values.
    Summary,
    /// Labels that describe an object; the value is 1.
    Info,
    /// One of several states.
    StateSet,
    /// Not declared.
    Unknown,
}
words!(MetricType, "type of a metric", {
    Counter => "counter",
    Gauge => "gauge",
    Histogram => "histogram",
    GaugeHistogram => "gaugehistogram",
    Summary => "summary",
    Info => "info",
    StateSet => "stateset",
    Unknown => "unknown",
});

table! {
    /// Metadata of one metric (a family of series). `metric` is the key.
    #[derive(Eq)]
    pub struct MetadataRow in "metadata" since 3, "Type, unit and description of metrics, as declared by their senders";
    metric: String = "name of the metric, without the suffixes _bucket, _sum and _count";
    metric_type in type: MetricType = "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown";
    help: String = "description; empty if unknown";
    unit: String = "unit such as seconds or bytes; empty if unknown";
    updated_at: Timestamp = "when type, unit or description last changed" unit "UTC";
}

/// Filter of metadata; the default lists all, by metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataFilter {
    /// Only of these metrics; empty = all. A name such as `x_bucket` or `x_total` finds the row of its family.
    pub metrics: Vec<String>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
}

/// Result of writing metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataPut {
    /// New or changed rows.
    pub written: u64,
    /// Rows that were already stored.
    pub unchanged: u64,
    /// Rows of new metrics rejected by the limit on metrics.
    pub refused: u64,
}

/// Result of the last scrape of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetHealth {
    /// The scrape succeeded.
    Up,
    /// The scrape failed.
    Down,
    /// The target has not been scraped yet.
    Unknown,
}
words!(TargetHealth, "health of a scrape target", { Up => "up", Down => "down", Unknown => "unknown" });

table! {
    /// State of one scrape target; `job` and `url` are the key.
    pub struct ScrapeTargetRow in "scrape_targets" since 3, "Scrape targets and the result of their last scrape";
    job: String = "label job of the target";
    instance: String = "label instance of the target";
    url: String = "address that is scraped";
    health: TargetHealth = "up, down or unknown (not scraped yet)";
    last_error: Option<String> = "error of the last scrape, NULL if it succeeded";
    last_scrape: Option<Timestamp> = "start of the last scrape" unit "UTC" flat "time";
    duration_ms: f64 = "duration of the last scrape" unit "ms";
    samples: u64 = "samples of the last scrape";
}
