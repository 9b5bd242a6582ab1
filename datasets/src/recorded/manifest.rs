//! The manifest that the recorder writes beside a recording.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Description of a recording: versions, load, seed and files.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Manifest {
    /// Time of the recording, RFC 3339.
    pub recorded_at: String,
    /// First midnight of its short days, epoch milliseconds.
    pub first_midnight_ms: i64,
    /// Length in days of `day_seconds`.
    pub days: f64,
    /// Length of a recorded day in seconds.
    pub day_seconds: f64,
    /// Seconds between scrapes.
    pub step_seconds: f64,
    /// Seed of load and incidents.
    pub seed: u64,
    /// Requests per second at the daily peak.
    pub peak_requests_per_second: f64,
    /// Times-to-live in force by cache, seconds, already scaled to the short day.
    pub ttl_seconds: BTreeMap<String, f64>,
    /// Versions of the servers.
    pub servers: BTreeMap<String, String>,
    /// Remarks on the data.
    pub notes: Vec<String>,
    /// Files of the recording by name.
    pub files: BTreeMap<String, FileFacts>,
}

/// Size and checksum of a file of the recording.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileFacts {
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Returns how many times shorter than a real day a recorded day is: 144 for ten minutes.
    #[must_use]
    pub fn speed(&self) -> f64 {
        86_400.0 / self.day_seconds
    }
}
