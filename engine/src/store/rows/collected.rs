//! Rows of what senders and scrapes say about metrics and about scrape targets.

use almanac_models::Timestamp;

use super::{table::table, words::words};

/// The type of a metric, in the words of Prometheus and OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// A value that only rises, except at a restart.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// Counts by bucket, of values that were observed.
    Histogram,
    /// Counts by bucket, of values that are present now.
    GaugeHistogram,
    /// Quantiles of values that were observed.
    Summary,
    /// Labels that describe a thing; the value is 1.
    Info,
    /// One of several states.
    StateSet,
    /// Not stated.
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
    /// What is known about one metric (a family of series). `metric` is the key.
    #[derive(Eq)]
    pub struct MetadataRow in "metadata" since 3, "Type, unit and description of metrics, as their senders state them";
    metric: String = "name of the metric, without the suffixes _bucket, _sum and _count";
    metric_type in type: MetricType = "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown";
    help: String = "description; empty where none is known";
    unit: String = "unit such as seconds or bytes; empty where none is known";
    updated_at: Timestamp = "when type, unit or description last changed" unit "UTC";
}

/// Which metadata to list; the default lists all, by metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataFilter {
    /// Only of these metrics; empty = all. A name such as `x_bucket` or `x_total` finds the row of its family.
    pub metrics: Vec<String>,
    /// At most so many rows.
    pub limit: Option<usize>,
}

/// What a put of metadata did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataPut {
    /// Rows that are new or changed.
    pub written: u64,
    /// Rows that were known already.
    pub unchanged: u64,
    /// Rows of new metrics that the limit on metrics refuses.
    pub refused: u64,
}

/// Whether the last scrape of a target succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetHealth {
    /// It succeeded.
    Up,
    /// It failed.
    Down,
    /// The target was not scraped yet.
    Unknown,
}
words!(TargetHealth, "health of a scrape target", { Up => "up", Down => "down", Unknown => "unknown" });

table! {
    /// The state of one scrape target; `job` and `url` are the key.
    pub struct ScrapeTargetRow in "scrape_targets" since 3, "Scrape targets and the result of their last scrape";
    job: String = "label job of the target";
    instance: String = "label instance of the target";
    url: String = "address that is scraped";
    health: TargetHealth = "up, down or unknown (not scraped yet)";
    last_error: Option<String> = "why the last scrape failed, NULL where it did not";
    last_scrape: Option<Timestamp> = "begin of the last scrape" unit "UTC" flat "time";
    duration_ms: f64 = "duration of the last scrape" unit "ms";
    samples: u64 = "samples of the last scrape";
}
