use std::collections::BTreeMap;

use serde::Deserialize;

/// What the recorder says of a recording.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Manifest {
    /// When it was made, RFC 3339.
    pub recorded_at: String,
    /// The first midnight of its short days, epoch milliseconds.
    pub first_midnight_ms: i64,
    /// Length in days of `day_seconds`.
    pub days: f64,
    /// Length of its day in seconds.
    pub day_seconds: f64,
    /// Seconds between scrapes.
    pub step_seconds: f64,
    /// Seed of load and incidents.
    pub seed: u64,
    /// Requests a second at the daily peak.
    pub peak_requests_per_second: f64,
    /// Times-to-live in force, seconds, already scaled to the short day.
    pub ttl_seconds: BTreeMap<String, f64>,
    /// Versions of the servers.
    pub servers: BTreeMap<String, String>,
    /// What one should know of the data.
    pub notes: Vec<String>,
    /// The recording's files.
    pub files: BTreeMap<String, FileFacts>,
}

/// What the recorder says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileFacts {
    /// Rows.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// How much faster than life the recording's days go by: 144 for ten minutes.
    #[must_use]
    pub fn speed(&self) -> f64 {
        86_400.0 / self.day_seconds
    }
}
