//! Rows of reported events: cache operations, deploys and incidents.

use almanac_models::Timestamp;

use super::{table::table, words::words};

/// Operation on a key of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheOp {
    /// The key was read.
    Get,
    /// The value changed at its origin.
    Write,
    /// The cached copy was dropped.
    Delete,
}
words!(CacheOp, "cache operation", { Get => "get", Write => "write", Delete => "delete" });

table! {
    /// One operation on a cache.
    pub struct CacheEvent in "cache_events" since 1, "Reads, writes and deletes of cached keys",
        hidden [seq: Int, ordinal: Small];
    timestamp: Timestamp = "time of the event" unit "UTC" flat "time";
    cache: String = "the cache";
    key: String = "the key";
    op: CacheOp = "get, write (the value changed at its origin) or delete (the cached copy was dropped)";
    bytes: Option<u64> = "size of the value" unit "bytes";
    miss_cost_ms: Option<f64> = "cost of a miss" unit "ms";
}

table! {
    /// A release of a new version.
    #[derive(Eq)]
    pub struct Deploy in "deploys" since 1, "Releases of new versions", hidden [seq: Int];
    at in timestamp: Timestamp = "time of the event" unit "UTC" flat "time";
    service: String = "the service";
    version: Option<String> = "the version";
}

/// Whether a labelled incident was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum IncidentVerdict {
    /// Users or operators were affected.
    #[default]
    Real,
    /// An alert or a suspected incident that was none. Alerts that fire in it are false.
    False,
}
words!(IncidentVerdict, "verdict", { Real => "real", False => "false" });

table! {
    /// A labelled incident.
    #[derive(Eq)]
    pub struct Incident in "incidents" since 1, "Labelled incidents", hidden [seq: Int];
    started_at: Timestamp = "first moment" unit "UTC" flat "time";
    ended_at: Option<Timestamp> = "last moment, NULL while it is ongoing" unit "UTC" flat "time_end";
    title: String = "title";
    target: Option<String> = "affected service, workload or signal";
    source: String = "reporter of the incident";
    verdict: IncidentVerdict = "real, or false for an alert or a suspected incident that was none" added 4 default "'real'";
}

/// Events that are stored together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventBatch {
    /// Cache events; an event that occurs twice in one batch counts twice.
    pub cache: Vec<CacheEvent>,
    /// Deploys.
    pub deploys: Vec<Deploy>,
    /// Incidents; each replaces the stored one of the same start, title, target and source.
    pub incidents: Vec<Incident>,
}

/// Filter of events; the default lists all, by time, ties in arrival order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Only of these caches (cache events), services (deploys) or targets (incidents); empty = all.
    pub names: Vec<String>,
    /// Start of the span, inclusive; includes incidents that had not ended by then.
    pub start: Option<Timestamp>,
    /// End of the span, inclusive; includes incidents that started by then.
    pub end: Option<Timestamp>,
    /// Maximum number of rows; the newest are kept.
    pub limit: Option<usize>,
    /// Only incidents of this verdict.
    pub verdict: Option<IncidentVerdict>,
}
