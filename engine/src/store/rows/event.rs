use almanac_models::Timestamp;

use super::words::words;

/// What happened to a key of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheOp {
    /// The key was asked for.
    Get,
    /// The origin's value changed.
    Write,
    /// The cached copy was dropped.
    Delete,
}
words!(CacheOp, "cache operation", { Get => "get", Write => "write", Delete => "delete" });

/// One event of a cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheEvent {
    /// When.
    pub timestamp: Timestamp,
    /// The cache's name.
    pub cache: String,
    /// The key.
    pub key: String,
    /// What happened.
    pub op: CacheOp,
    /// Size of the value.
    pub bytes: Option<u64>,
    /// What a miss costs, in milliseconds.
    pub miss_cost_ms: Option<f64>,
}

/// A new version went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// When.
    pub at: Timestamp,
    /// The service.
    pub service: String,
    /// The version.
    pub version: Option<String>,
}

/// A labelled incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its first moment.
    pub started_at: Timestamp,
    /// Its last moment; `None` while it lasts.
    pub ended_at: Option<Timestamp>,
    /// What happened.
    pub title: String,
    /// The service, workload or signal concerned.
    pub target: Option<String>,
    /// Who says so.
    pub source: String,
}

/// Events that are stored together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventBatch {
    /// Cache events; the same event standing twice in one batch happened twice.
    pub cache: Vec<CacheEvent>,
    /// Deploys.
    pub deploys: Vec<Deploy>,
    /// Incidents; one with the same start, title, target and source as a stored one takes its place.
    pub incidents: Vec<Incident>,
}

/// Which events to list; the default lists all, by time, ties in the order of arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Only of these caches (cache events), services (deploys) or targets (incidents); empty = all.
    pub names: Vec<String>,
    /// From this instant on, itself included; an incident counts when it has not ended before.
    pub start: Option<Timestamp>,
    /// Up to this instant, itself included; an incident counts when it began by then.
    pub end: Option<Timestamp>,
    /// At most so many rows: the newest.
    pub limit: Option<usize>,
}
