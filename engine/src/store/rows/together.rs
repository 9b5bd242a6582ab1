use almanac_models::Timestamp;

/// Anomalies of one or several signals that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct SuspectedIncidentRow {
    /// The first departure.
    pub started_at: Timestamp,
    /// The last anomaly so far.
    pub ended_at: Timestamp,
    /// The signal that most likely departed first.
    pub first_mover: String,
    /// How likely it is that one, in [0, 1].
    pub confidence: f64,
    /// Every signal concerned, by time of departure.
    pub signals: Vec<String>,
    /// The largest anomaly score.
    pub peak: f64,
}

/// A time in which one of several peers was not like the others.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerOutlierRow {
    /// The PromQL expression that gives the peers.
    pub expr: String,
    /// The labels of the one that differs, in the notation of PromQL.
    pub series: String,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when; the last instant looked at while it lasts.
    pub ended_at: Timestamp,
    /// The largest distance from the peers that agree, in widths; above 1 is outside.
    pub peak: f64,
    /// Peers that were compared, itself included.
    pub peers: u64,
}
