//! Rows about several signals: suspected incidents, peer outliers and correlations.

use almanac_models::Timestamp;

use super::{Incident, IncidentVerdict, table::table};

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

impl SuspectedIncidentRow {
    /// Returns what the labels say: the verdict of the incidents that overlap this one and name one of its signals or no
    /// target. A real one counts more than a false one.
    #[must_use]
    pub fn verdict(&self, labelled: &[Incident]) -> Option<IncidentVerdict> {
        let concerns = |incident: &&Incident| {
            let overlaps =
                incident.started_at <= self.ended_at && incident.ended_at.is_none_or(|end| end >= self.started_at);
            overlaps && incident.target.as_ref().is_none_or(|target| self.signals.contains(target))
        };
        labelled.iter().filter(concerns).map(|incident| incident.verdict).min()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_decide_about_the_suspected_incidents_that_they_overlap() {
        let at = Timestamp::from_millis;
        let suspected = SuspectedIncidentRow {
            started_at: at(100),
            ended_at: at(200),
            first_mover: "queue".into(),
            confidence: 0.8,
            signals: vec!["queue".into(), "latency".into()],
            peak: 3.0,
        };
        let label = |start, end: Option<i64>, target: Option<&str>, verdict| Incident {
            started_at: at(start),
            ended_at: end.map(at),
            title: "t".into(),
            target: target.map(str::to_owned),
            source: "s".into(),
            verdict,
        };
        let (real, no) = (IncidentVerdict::Real, IncidentVerdict::False);
        assert_eq!(suspected.verdict(&[]), None);
        assert_eq!(suspected.verdict(&[label(0, Some(99), None, real), label(201, None, None, real)]), None);
        assert_eq!(suspected.verdict(&[label(150, None, Some("disk"), no)]), None);
        assert_eq!(suspected.verdict(&[label(150, Some(160), Some("latency"), no)]), Some(no));
        assert_eq!(
            suspected.verdict(&[label(0, Some(100), None, no), label(200, None, Some("queue"), real)]),
            Some(real)
        );
    }
}
