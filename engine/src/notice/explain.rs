//! Explains a suspected incident from what is stored about its time: what departed and when, what was released before,
//! what people said about it. Reads no store and no clock.

use almanac_models::Timestamp;

use crate::{
    advise::{kit::rfc3339, threshold::format_duration},
    store::rows::{
        AnomalyKind, AnomalyRow, CorrelationRow, Deploy, Incident, IncidentVerdict, PeerOutlierRow,
        SuspectedIncidentRow,
    },
};

/// A release up to this long before an incident may have to do with it, in milliseconds.
pub const DEPLOYS_BEFORE_MS: i64 = 2 * 3_600_000;

/// What is stored about the time of an incident; rows that do not concern it are left out of the explanation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Anomalies of the incident's signals while it lasted.
    pub anomalies: Vec<AnomalyRow>,
    /// Releases from [`DEPLOYS_BEFORE_MS`] before its start until its end.
    pub deploys: Vec<Deploy>,
    /// Labelled incidents.
    pub labelled: Vec<Incident>,
    /// Correlations of signals.
    pub correlations: Vec<CorrelationRow>,
    /// Instances that differed from their peers.
    pub peers: Vec<PeerOutlierRow>,
}

/// How one signal departed from its expected values.
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// The signal.
    pub signal: String,
    /// First and last anomalous value.
    pub first: Timestamp,
    /// Last anomalous value.
    pub last: Timestamp,
    /// The value that was farthest from what was expected.
    pub peak: AnomalyRow,
}

/// An explained incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Sentences for people, the most important first.
    pub sentences: Vec<String>,
    /// Its signals in order of departure.
    pub departures: Vec<Departure>,
    /// Releases before and in it, the newest first.
    pub deploys: Vec<Deploy>,
    /// What people said about it.
    pub labelled: Vec<Incident>,
    /// Correlations between its signals, the strongest first.
    pub correlations: Vec<CorrelationRow>,
    /// Instances that differed from their peers at the time.
    pub peers: Vec<PeerOutlierRow>,
}

/// Explains an incident. Whether one thing caused another is not claimed: the order of times and the correlations are
/// given.
#[must_use]
pub fn explain(incident: &SuspectedIncidentRow, around: Surroundings) -> Explanation {
    let (start_ms, end_ms) = (incident.started_at.millis(), incident.ended_at.millis());
    let departures = departures(incident, &around.anomalies);
    let mut deploys: Vec<Deploy> = around.deploys;
    deploys.retain(|deploy| (start_ms - DEPLOYS_BEFORE_MS..=end_ms).contains(&deploy.at.millis()));
    deploys.sort_by(|one, other| (other.at, &one.service).cmp(&(one.at, &other.service)));
    let mut labelled = around.labelled;
    labelled.retain(|label| incident.verdict(std::slice::from_ref(label)).is_some());
    let among = |name: &String| incident.signals.contains(name);
    let mut correlations = around.correlations;
    correlations.retain(|pair| among(&pair.leader) && among(&pair.follower));
    correlations.sort_by(|one, other| other.correlation.abs().total_cmp(&one.correlation.abs()));
    let mut peers = around.peers;
    peers.retain(|peer| peer.started_at.millis() <= end_ms && peer.ended_at.millis() >= start_ms);
    peers.sort_by(|one, other| other.peak.total_cmp(&one.peak));

    let mut sentences = vec![opening(incident)];
    sentences.extend(departures.iter().map(|departure| departed(departure, start_ms)));
    sentences.push(releases(&deploys, start_ms));
    sentences.extend(correlations.first().map(correlated));
    sentences.extend(peers.first().map(|peer| {
        format!("{} differed from its {} peers ({}).", peer.series, peer.peers.saturating_sub(1), peer.expr)
    }));
    sentences.extend(labelled.iter().map(|label| {
        let verdict = match label.verdict {
            IncidentVerdict::Real => "a real incident",
            IncidentVerdict::False => "no incident",
        };
        format!("{} labelled it as {verdict}: {}.", label.source, label.title.trim_end_matches('.'))
    }));
    Explanation { sentences, departures, deploys, labelled, correlations, peers }
}

fn departures(incident: &SuspectedIncidentRow, anomalies: &[AnomalyRow]) -> Vec<Departure> {
    let (start, end) = (incident.started_at, incident.ended_at);
    let of_signal = |signal: &String| {
        let mut rows: Vec<&AnomalyRow> = anomalies
            .iter()
            .filter(|row| row.signal == *signal && row.score > 1.0 && (start..=end).contains(&row.timestamp))
            .collect();
        rows.sort_by_key(|row| row.timestamp);
        let peak = rows.iter().max_by(|one, other| one.score.total_cmp(&other.score))?;
        Some(Departure {
            signal: signal.clone(),
            first: rows.first()?.timestamp,
            last: rows.last()?.timestamp,
            peak: (*peak).clone(),
        })
    };
    incident.signals.iter().filter_map(of_signal).collect()
}

fn opening(incident: &SuspectedIncidentRow) -> String {
    let length = format_duration(incident.ended_at.millis().saturating_sub(incident.started_at.millis()));
    let others = incident.signals.len().saturating_sub(1);
    let among = match others {
        0 => "the only signal in it".to_owned(),
        _ => format!("the first of {} signals with probability {:.2}", others + 1, incident.confidence),
    };
    format!(
        "Suspected incident that began at {} and lasted {length}: {} is {among}.",
        rfc3339(incident.started_at.millis()),
        incident.first_mover
    )
}

fn departed(departure: &Departure, start_ms: i64) -> String {
    let Departure { signal, first, last, peak } = departure;
    let what = match peak.kind {
        AnomalyKind::Value => "left its band",
        AnomalyKind::Level => "moved to another level",
        AnomalyKind::Drift => "drifted away",
        AnomalyKind::FlatLine => "stopped moving",
    };
    let length = match last.millis().saturating_sub(first.millis()) {
        0 => ", at one time".to_owned(),
        length_ms => format!(", for {}", format_duration(length_ms)),
    };
    format!(
        "{signal} {what} {} after the start{length}; farthest at {}: {} instead of {} ({} to {}), {} half-widths of the band.",
        format_duration(first.millis().saturating_sub(start_ms)),
        rfc3339(peak.timestamp.millis()),
        number(peak.value),
        number(peak.yhat),
        number(peak.yhat_lower),
        number(peak.yhat_upper),
        number(peak.score),
    )
}

fn releases(deploys: &[Deploy], start_ms: i64) -> String {
    let Some(newest) = deploys.iter().find(|deploy| deploy.at.millis() <= start_ms) else {
        return match deploys.len() {
            0 => format!("No release is known in the {} before it.", format_duration(DEPLOYS_BEFORE_MS)),
            in_it => format!("No release is known before it, and {in_it} while it lasted."),
        };
    };
    let version = newest.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let more = match deploys.len() - 1 {
        0 => String::new(),
        others => format!("; {others} more in that time"),
    };
    let before = format_duration(start_ms.saturating_sub(newest.at.millis()));
    format!("{}{version} was released {before} before the start{more}.", newest.service)
}

fn correlated(pair: &CorrelationRow) -> String {
    let order = match pair.lag_ms {
        0 => "moves at the same time as".to_owned(),
        lag_ms => format!("moves {} before", format_duration(lag_ms)),
    };
    format!(
        "From {} to {}, {} {order} {} (correlation {:.2}, {:.2} to {:.2}).",
        rfc3339(pair.started_at.millis()),
        rfc3339(pair.ended_at.millis()),
        pair.leader,
        pair.follower,
        pair.correlation,
        pair.lower,
        pair.upper
    )
}

/// Formats a value with four significant digits.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    // Rounded in the decimal form; the result is the shortest text of the rounded value.
    format!("{value:.3e}").parse::<f64>().unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    /// 2026-03-02 10:00 UTC.
    const START: i64 = 1_772_445_600_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(START + minute * MINUTE)
    }

    fn anomaly(signal: &str, minute: i64, score: f64) -> AnomalyRow {
        AnomalyRow {
            signal: signal.into(),
            timestamp: at(minute),
            value: 310.26,
            yhat: 120.0,
            yhat_lower: 90.0,
            yhat_upper: 150.0,
            score,
            kind: AnomalyKind::Value,
        }
    }

    fn incident() -> SuspectedIncidentRow {
        SuspectedIncidentRow {
            started_at: at(0),
            ended_at: at(20),
            first_mover: "queue".into(),
            confidence: 0.8,
            signals: vec!["queue".into(), "latency".into()],
            peak: 6.3,
        }
    }

    #[test]
    fn only_what_concerns_the_incident_is_told() {
        let deploy = |minute: i64, version: Option<&str>| Deploy {
            at: at(minute),
            service: "api".into(),
            version: version.map(str::to_owned),
        };
        let label = |minute: i64, target: Option<&str>| Incident {
            started_at: at(minute),
            ended_at: Some(at(minute + 5)),
            title: "queue full".into(),
            target: target.map(str::to_owned),
            source: "ann".into(),
            verdict: IncidentVerdict::Real,
        };
        let pair = |leader: &str, follower: &str, correlation: f64| CorrelationRow {
            leader: leader.into(),
            follower: follower.into(),
            lag_ms: 2 * MINUTE,
            correlation,
            lower: correlation - 0.1,
            upper: correlation + 0.1,
            points: 100,
            started_at: at(-10_000),
            ended_at: at(0),
        };
        let around = Surroundings {
            anomalies: vec![
                anomaly("latency", 4, 1.5),
                anomaly("queue", 0, 2.0),
                anomaly("queue", 1, 6.333_33),
                anomaly("queue", 2, 0.9),
                anomaly("queue", 30, 9.0),
                anomaly("disk", 1, 9.0),
            ],
            deploys: vec![deploy(-121, None), deploy(-90, None), deploy(-7, Some("v2")), deploy(21, None)],
            labelled: vec![label(2, None), label(2, Some("disk")), label(40, None)],
            correlations: vec![
                pair("queue", "latency", 0.6),
                pair("latency", "queue", -0.7),
                pair("queue", "disk", 0.9),
            ],
            peers: Vec::new(),
        };
        let found = explain(&incident(), around);
        assert_eq!(
            found.sentences,
            [
                "Suspected incident that began at 2026-03-02T10:00:00Z and lasted 20m: queue is the first of 2 signals with probability 0.80.",
                "queue left its band 0s after the start, for 1m; farthest at 2026-03-02T10:01:00Z: 310.3 instead of 120 (90 to 150), 6.333 half-widths of the band.",
                "latency left its band 4m after the start, at one time; farthest at 2026-03-02T10:04:00Z: 310.3 instead of 120 (90 to 150), 1.5 half-widths of the band.",
                "api v2 was released 7m before the start; 1 more in that time.",
                "From 2026-02-23T11:20:00Z to 2026-03-02T10:00:00Z, latency moves 2m before queue (correlation -0.70, -0.80 to -0.60).",
                "ann labelled it as a real incident: queue full.",
            ]
        );
        assert_eq!((found.deploys.len(), found.labelled.len(), found.correlations.len()), (2, 1, 2));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let lonely = SuspectedIncidentRow { signals: vec!["queue".into()], ..incident() };
        let found = explain(&lonely, Surroundings::default());
        assert_eq!(
            found.sentences,
            [
                "Suspected incident that began at 2026-03-02T10:00:00Z and lasted 20m: queue is the only signal in it.",
                "No release is known in the 2h before it.",
            ]
        );
        assert_eq!(found.departures, []);
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        for (value, expected) in
            [(310.26, "310.3"), (0.0, "0"), (-0.001_234_56, "-0.001235"), (1_234_567.0, "1235000"), (f64::NAN, "NaN")]
        {
            assert_eq!(number(value), expected);
        }
    }
}
