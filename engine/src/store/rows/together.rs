//! Rows of what several signals show together: suspected incidents and instances unlike their peers.

use almanac_models::Timestamp;

use super::table::table;

table! {
    /// Anomalies of one or several signals that belong together.
    pub struct SuspectedIncidentRow in "suspected_incidents" since 2,
        "Anomalies that belong together, of one or several signals, as found by the service itself";
    started_at: Timestamp = "first departure" unit "UTC" flat "time";
    ended_at: Timestamp = "last anomaly so far" unit "UTC" flat "time_end";
    first_mover: String = "the signal that most likely departed first";
    confidence: f64 = "how likely it is that signal" unit "0 to 1";
    signals: Vec<String> = "every signal concerned, by time of departure";
    peak: f64 = "largest anomaly score";
}

table! {
    /// A time in which one of several peers was not like the others.
    pub struct PeerOutlierRow in "peer_outliers" since 2, "Instances that were not like their peers";
    series: String = "labels of the instance that differs, in the notation of PromQL";
    expr: String = "PromQL expression that gives the peers";
    started_at: Timestamp = "since when" unit "UTC" flat "time";
    ended_at: Timestamp = "until when; the last instant looked at while it lasts" unit "UTC" flat "time_end";
    peak: f64 = "largest distance from the peers that agree" unit "widths of the band, above 1 is outside";
    peers: u64 = "peers compared, itself included";
}
