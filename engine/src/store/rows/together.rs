//! Rows about several signals: suspected incidents, peer outliers and correlations.

use almanac_models::Timestamp;

use super::table::table;

table! {
    /// Group of coinciding anomalies of one or several signals.
    pub struct SuspectedIncidentRow in "suspected_incidents" since 2,
        "Groups of coinciding anomalies of one or several signals, found by the service";
    started_at: Timestamp = "time of the first anomaly" unit "UTC" flat "time";
    ended_at: Timestamp = "time of the last anomaly so far" unit "UTC" flat "time_end";
    first_mover: String = "the signal that most likely deviated first";
    confidence: f64 = "probability that first_mover is right" unit "0 to 1";
    signals: Vec<String> = "affected signals in order of time";
    peak: f64 = "largest anomaly score";
}

table! {
    /// Span in which an instance differed from its peers.
    pub struct PeerOutlierRow in "peer_outliers" since 2, "Instances that differed from their peers";
    series: String = "labels of the differing instance in PromQL notation";
    expr: String = "PromQL expression that gives the peers";
    started_at: Timestamp = "start of the deviation" unit "UTC" flat "time";
    ended_at: Timestamp = "end of the deviation; the latest compared time while it is ongoing" unit "UTC" flat "time_end";
    peak: f64 = "largest distance from the peers that agree" unit "widths of the band, above 1 is outside";
    peers: u64 = "peers compared, itself included";
}

table! {
    /// Two correlated signals or caches of the last week; `leader` moves first.
    pub struct CorrelationRow in "correlations" since 3,
        "Signals and caches that move together: departures from the expected value, over the last week";
    leader: String = "the signal or cache load that moves first; either one if both move at once";
    follower: String = "the signal or cache load that follows";
    lag_ms: i64 = "delay of the follower" unit "ms";
    correlation: f64 = "Pearson's coefficient at that lag" unit "-1 to 1";
    lower: f64 = "lower end of its 95 % interval" unit "-1 to 1";
    upper: f64 = "upper end of its 95 % interval" unit "-1 to 1";
    points: u64 = "compared pairs of values";
    started_at: Timestamp = "start of the compared span" unit "UTC" flat "time";
    ended_at: Timestamp = "end of that span" unit "UTC" flat "time_end";
}
