//! Groups the anomalies of several signals into suspected incidents and names the signal that was anomalous first.

use std::collections::HashMap;

use almanac_models::{
    Step, Timestamp,
    incidents::{IncidentGrouper, SignalScores},
};

use crate::{
    learn::LearnError,
    store::{
        Store,
        rows::{AnomalyRow, EventFilter, RowFilter, SignalFilter, SignalRow, SuspectedIncidentRow},
    },
};

/// Span of the anomalies that each run groups again, in milliseconds: a new anomaly may join two incidents, and the
/// rate of a signal's anomalies is estimated from two weeks.
const SPAN_MS: i64 = 14 * 86_400_000;
/// Minimum score of the rows that are read. Scores between 0.5 and 1 may be the start of an anomaly.
const SCORE_MIN: f64 = 0.5;

/// Groups the anomalies of the last two weeks, stores the suspected incidents and returns their number.
///
/// # Errors
/// [`LearnError::Store`].
pub(in crate::learn) fn group_incidents(store: &Store, now: Timestamp) -> Result<usize, LearnError> {
    let since = Timestamp::from_millis(now.millis().saturating_sub(SPAN_MS));
    let observed_ms =
        |row: &SignalRow| i64::try_from(row.points).unwrap_or(i64::MAX).saturating_mul(row.step_ms).min(SPAN_MS);
    let signals: HashMap<String, ObservedSpan> = store
        .signals(&SignalFilter::default())?
        .into_iter()
        .map(|row| (row.signal.clone(), ObservedSpan { step_ms: row.step_ms, length_ms: observed_ms(&row) }))
        .collect();
    let filter = RowFilter { start: Some(since), end: Some(now), min_score: Some(SCORE_MIN), ..RowFilter::default() };
    let rows = incident_rows(&store.anomalies(&filter)?, &signals);
    // Most runs find the same incidents as before. Unchanged rows are not written again.
    let filter = EventFilter { start: Some(since), ..EventFilter::default() };
    let mut known = store.suspected_incidents(&filter)?;
    known.retain(|row| row.started_at >= since);
    known.sort_by(|a, b| (a.started_at, &a.first_mover).cmp(&(b.started_at, &b.first_mover)));
    if known != rows {
        store.put_suspected_incidents(&rows, since)?;
    }
    Ok(rows.len())
}

/// Step of a signal and length of its scored history, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct ObservedSpan {
    step_ms: i64,
    length_ms: i64,
}

/// Returns the incidents of the scores, which must be ordered by signal and time. Signals that are not in `known` are
/// left out.
fn incident_rows(scored: &[AnomalyRow], known: &HashMap<String, ObservedSpan>) -> Vec<SuspectedIncidentRow> {
    let mut names = Vec::new();
    let mut columns: Vec<(Step, i64, Vec<Timestamp>, Vec<f64>)> = Vec::new();
    for run in scored.chunk_by(|a, b| a.signal == b.signal) {
        let Some(observed) = known.get(&run[0].signal) else { continue };
        let Ok(step) = Step::from_millis(observed.step_ms) else { continue };
        names.push(run[0].signal.clone());
        let timestamps = run.iter().map(|r| r.timestamp).collect();
        columns.push((step, observed.length_ms, timestamps, run.iter().map(|r| r.score).collect()));
    }
    let signals: Vec<SignalScores<'_>> = columns
        .iter()
        .map(|(step, length_ms, timestamps, scores)| SignalScores {
            step: *step,
            looked_ms: *length_ms,
            timestamps,
            scores,
        })
        .collect();
    let incidents = IncidentGrouper::default().group(&signals);
    incidents
        .into_iter()
        .map(|incident| {
            // Each signal once, in the order of its first episode.
            let mut concerned: Vec<String> = Vec::new();
            for episode in &incident.episodes {
                if !concerned.contains(&names[episode.signal]) {
                    concerned.push(names[episode.signal].clone());
                }
            }
            SuspectedIncidentRow {
                started_at: incident.start,
                ended_at: incident.end,
                first_mover: names[incident.first_mover].clone(),
                confidence: incident.confidence,
                signals: concerned,
                peak: incident.peak,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::AnomalyKind;

    #[test]
    fn anomalies_of_two_signals_at_one_time_are_one_incident() {
        let row = |signal: &str, minute: i64, score: f64| AnomalyRow {
            signal: signal.to_owned(),
            timestamp: Timestamp::from_millis(minute * 60_000),
            value: 1.0,
            yhat: 0.0,
            yhat_lower: 0.0,
            yhat_upper: 0.0,
            score,
            kind: AnomalyKind::Value,
        };
        let scored = [
            row("api_p95", 102, 3.0),
            row("api_p95", 103, 4.0),
            row("db_locks", 99, 0.7),
            row("db_locks", 100, 2.0),
            row("db_locks", 101, 9.0),
            row("forgotten", 100, 9.0),
            row("queue", 900, 1.5),
        ];
        let observed = ObservedSpan { step_ms: 60_000, length_ms: 86_400_000 };
        let known = ["api_p95", "db_locks", "queue"].map(|name| (name.to_owned(), observed)).into();
        let rows = incident_rows(&scored, &known);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].first_mover.as_str(), &rows[0].signals[..]),
            ("db_locks", &["db_locks".to_owned(), "api_p95".to_owned()][..])
        );
        assert_eq!((rows[0].started_at.millis(), rows[0].ended_at.millis()), (99 * 60_000, 103 * 60_000));
        assert_eq!((rows[1].first_mover.as_str(), rows[1].confidence), ("queue", 1.0));
    }
}
