//! Rows of events that others report: cache operations, deploys and incidents.

use almanac_models::Timestamp;

use super::{table::table, words::words};

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

table! {
    /// One event of a cache.
    pub struct CacheEvent in "cache_events" since 1, "Reads, writes and deletes of cached keys",
        hidden [seq: Int, ordinal: Small];
    timestamp: Timestamp = "when" unit "UTC" flat "time";
    cache: String = "the cache";
    key: String = "the key";
    op: CacheOp = "get, write (the value changed at its origin) or delete (the cached copy was dropped)";
    bytes: Option<u64> = "size of the value" unit "bytes";
    miss_cost_ms: Option<f64> = "what a miss costs" unit "ms";
}

table! {
    /// A release of a new version.
    #[derive(Eq)]
    pub struct Deploy in "deploys" since 1, "Releases of new versions", hidden [seq: Int];
    at in timestamp: Timestamp = "when" unit "UTC" flat "time";
    service: String = "the service";
    version: Option<String> = "the version";
}

table! {
    /// A labelled incident.
    #[derive(Eq)]
    pub struct Incident in "incidents" since 1, "Labelled incidents", hidden [seq: Int];
    started_at: Timestamp = "first moment" unit "UTC" flat "time";
    ended_at: Option<Timestamp> = "last moment, NULL while it lasts" unit "UTC" flat "time_end";
    title: String = "what happened";
    target: Option<String> = "the service, workload or signal concerned";
    source: String = "who reported it";
}

/// Events that are stored together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventBatch {
    /// Cache events; an event that one batch holds twice happened twice.
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
