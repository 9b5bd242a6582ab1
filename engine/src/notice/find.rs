//! Compares the present facts with the notices so far. Reads no store and no clock.

use std::collections::HashMap;

use almanac_models::Timestamp;

use crate::{
    advise::threshold::ExpectedBreach,
    store::rows::{
        AnomalyRow, Incident, IncidentVerdict, NoticeRow, NoticeType, RecommendationRow, State, SuspectedIncidentRow,
    },
};

/// Older anomalies are not told: they were found while the past was read.
const ANOMALY_AGE_MS: i64 = 2 * 3_600_000;
/// Older incidents are not told.
const INCIDENT_AGE_MS: i64 = 24 * 3_600_000;
/// Anomalous values of a signal that are closer than this, or than five of its steps, are one anomaly.
const ANOMALY_GAP_MS: i64 = 600_000;
/// Least time between two notices on one breach: a trend at the edge of significance comes and goes.
const BREACH_QUIET_MS: i64 = 3_600_000;
/// When further anomalies are found, the start of an incident moves by less than this.
const INCIDENT_SHIFT_MS: i64 = 3_600_000;

/// The present facts.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// Recommendations, in any order.
    pub recommendations: &'a [RecommendationRow],
    /// Expected breaches of the alerting rules in force; `None` if they are not known yet.
    pub breaches: Option<&'a [ExpectedBreach]>,
    /// Suspected incidents, in any order.
    pub incidents: &'a [SuspectedIncidentRow],
    /// Labelled incidents.
    pub labelled: &'a [Incident],
    /// Anomalous rows (score above 1) of the last day, in any order.
    pub anomalies: &'a [AnomalyRow],
    /// Step of each signal in milliseconds, by name.
    pub steps_ms: HashMap<&'a str, i64>,
}

/// Something that callers have not been told.
#[derive(Debug, Clone, PartialEq)]
pub enum News<'a> {
    /// A recommendation is new or has another state.
    Recommendation(&'a RecommendationRow),
    /// A breach is expected.
    Breach(&'a ExpectedBreach),
    /// A breach is no longer expected: name of the alert and labels of the series.
    Cleared(String, String),
    /// An incident is suspected.
    Incident(&'a SuspectedIncidentRow),
    /// A signal has become anomalous.
    Anomaly(&'a AnomalyRow),
}

impl News<'_> {
    /// Returns the type of the notice.
    #[must_use]
    pub fn notice_type(&self) -> NoticeType {
        match self {
            Self::Recommendation(_) => NoticeType::Recommendation,
            Self::Breach(_) | Self::Cleared(..) => NoticeType::Breach,
            Self::Incident(_) => NoticeType::Incident,
            Self::Anomaly(_) => NoticeType::Anomaly,
        }
    }

    /// Returns the subject, the state and the key of the notice's row.
    #[must_use]
    pub fn names(&self) -> (String, String, String) {
        match self {
            Self::Recommendation(row) => (row.target.clone(), row.state.to_string(), recommendation_key(row)),
            Self::Breach(breach) => (breach.alert.clone(), "expected".to_owned(), breach.element.clone()),
            Self::Cleared(alert, element) => (alert.clone(), "cleared".to_owned(), element.clone()),
            Self::Incident(row) => {
                (row.first_mover.clone(), "suspected".to_owned(), row.started_at.millis().to_string())
            }
            Self::Anomaly(row) => (row.signal.clone(), "begun".to_owned(), row.timestamp.millis().to_string()),
        }
    }
}

/// The time of a change and what changed. Times of changes are distinct and ascend.
fn recommendation_key(row: &RecommendationRow) -> String {
    format!("{}.{}", row.updated_at.millis(), row.id)
}

/// Returns what is new at `now`, in the order in which callers are told. `told`: the notices so far, ascending.
#[must_use]
pub fn find<'a>(told: &[NoticeRow], facts: &Facts<'a>, now: Timestamp) -> Vec<News<'a>> {
    let of = |wanted: NoticeType| told.iter().filter(move |notice| notice.notice_type == wanted);
    let mut news = recommendations(of(NoticeType::Recommendation), facts.recommendations);
    news.extend(breaches(of(NoticeType::Breach), facts.breaches, now));
    news.extend(incidents(of(NoticeType::Incident), facts, now));
    news.extend(anomalies(of(NoticeType::Anomaly), facts, now));
    news
}

fn recommendations<'a, 't>(told: impl Iterator<Item = &'t NoticeRow>, rows: &'a [RecommendationRow]) -> Vec<News<'a>> {
    let place = |key: &str| key.split_once('.').and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id.to_owned())));
    let (mut last, mut states): (Option<(i64, String)>, HashMap<String, &str>) = (None, HashMap::new());
    for notice in told {
        let Some(place) = place(&notice.key) else { continue };
        states.insert(place.1.clone(), &notice.state);
        last = last.max(Some(place));
    }
    let position = |row: &RecommendationRow| (row.updated_at.millis(), row.id.clone());
    let is_news = |row: &&RecommendationRow| match &last {
        // Another setting in the same state, such as another number of replicas, is no news.
        Some(last) => position(row) > *last && states.get(&row.id) != Some(&row.state.as_str()),
        // At first only what is open is told, not the history of the ledger.
        None => matches!(row.state, State::Proposed | State::Accepted | State::Applied),
    };
    let mut changed: Vec<&RecommendationRow> = rows.iter().filter(is_news).collect();
    changed.sort_by_key(|row| position(row));
    changed.into_iter().map(News::Recommendation).collect()
}

fn breaches<'a, 't>(
    told: impl Iterator<Item = &'t NoticeRow>,
    present: Option<&'a [ExpectedBreach]>,
    now: Timestamp,
) -> Vec<News<'a>> {
    let Some(present) = present else { return Vec::new() };
    // The last notice on each: whether the breach was expected, and when.
    let mut last: HashMap<(&str, &str), (bool, i64)> = HashMap::new();
    for notice in told {
        last.insert((&notice.subject, &notice.key), (notice.state == "expected", notice.at.millis()));
    }
    let is_quiet = |at_ms: i64| now.millis().saturating_sub(at_ms) < BREACH_QUIET_MS;
    let is_news = |breach: &&ExpectedBreach| match last.get(&(breach.alert.as_str(), breach.element.as_str())) {
        Some((is_expected, at_ms)) => !is_expected && !is_quiet(*at_ms),
        None => true,
    };
    let mut news: Vec<News<'a>> = present.iter().filter(is_news).map(News::Breach).collect();
    let is_present =
        |alert: &str, element: &str| present.iter().any(|breach| breach.alert == alert && breach.element == element);
    let mut cleared: Vec<(&str, &str)> = last
        .iter()
        .filter(|((alert, element), (was_expected, at_ms))| {
            *was_expected && !is_quiet(*at_ms) && !is_present(alert, element)
        })
        .map(|(names, _)| *names)
        .collect();
    cleared.sort_unstable();
    news.extend(cleared.into_iter().map(|(alert, element)| News::Cleared(alert.to_owned(), element.to_owned())));
    news
}

fn incidents<'a, 't>(told: impl Iterator<Item = &'t NoticeRow>, facts: &Facts<'a>, now: Timestamp) -> Vec<News<'a>> {
    let starts: Vec<i64> = told.filter_map(|notice| notice.key.parse().ok()).collect();
    let is_told = |row: &SuspectedIncidentRow| {
        let from = row.started_at.millis() - INCIDENT_SHIFT_MS;
        starts.iter().any(|start| (from..=row.ended_at.millis()).contains(start))
    };
    let mut rows: Vec<&SuspectedIncidentRow> = facts
        .incidents
        .iter()
        .filter(|row| row.started_at.millis() >= now.millis() - INCIDENT_AGE_MS && !is_told(row))
        .filter(|row| row.verdict(facts.labelled) != Some(IncidentVerdict::False))
        .collect();
    rows.sort_by_key(|row| row.started_at);
    rows.into_iter().map(News::Incident).collect()
}

fn anomalies<'a, 't>(told: impl Iterator<Item = &'t NoticeRow>, facts: &Facts<'a>, now: Timestamp) -> Vec<News<'a>> {
    // The newest anomalous value of each signal so far, and that of the last notice.
    let mut last: HashMap<&str, i64> = HashMap::new();
    let mut told_at: HashMap<String, i64> = HashMap::new();
    for notice in told {
        let Ok(at) = notice.key.parse::<i64>() else { continue };
        let newest = told_at.entry(notice.subject.clone()).or_insert(i64::MIN);
        *newest = at.max(*newest);
    }
    let mut rows: Vec<&AnomalyRow> = facts.anomalies.iter().collect();
    rows.sort_by(|one, other| (one.timestamp, &one.signal).cmp(&(other.timestamp, &other.signal)));
    let mut news = Vec::new();
    for row in rows {
        let at = row.timestamp.millis();
        let gap = ANOMALY_GAP_MS.max(5 * facts.steps_ms.get(row.signal.as_str()).copied().unwrap_or(0));
        let before = last.insert(&row.signal, at);
        let has_begun = before.is_none_or(|before| at - before > gap);
        let is_told = told_at.get(&row.signal).is_some_and(|told| at <= told.saturating_add(gap));
        if has_begun && !is_told && at >= now.millis() - ANOMALY_AGE_MS {
            news.push(News::Anomaly(row));
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::advise::threshold::Breach;
    use crate::store::rows::{AnomalyKind, Effect, Kind, Patch};

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_000 * HOUR;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Tells the news: returns the notices as they would be stored.
    fn tell(told: &mut Vec<NoticeRow>, facts: &Facts<'_>, now_ms: i64) -> Vec<String> {
        let news = find(told, facts, at(now_ms));
        let mut lines = Vec::new();
        for one in news {
            let (subject, state, key) = one.names();
            lines.push(format!("{} {subject} {state}", one.notice_type()));
            told.push(NoticeRow {
                seq: told.len() as i64 + 1,
                id: String::new(),
                at: at(now_ms),
                notice_type: one.notice_type(),
                subject,
                state,
                key,
                data: json!({}),
            });
        }
        lines
    }

    fn recommendation(id: &str, state: State, updated_ms: i64) -> RecommendationRow {
        RecommendationRow {
            id: id.into(),
            kind: Kind::from_static("ttl"),
            target: id.into(),
            current: json!({}),
            proposed: json!({}),
            valid_from: at(0),
            valid_until: None,
            effect: Effect { metric: "m".into(), unit: "1".into(), value: 0.0, lower: 0.0, upper: 0.0, level: 0.8 },
            confidence: 0.9,
            reason: String::new(),
            evidence: json!({}),
            patch: Patch { format: String::new(), body: String::new() },
            state,
            created_at: at(0),
            updated_at: at(updated_ms),
            evidence_at: at(updated_ms),
            replaces: None,
        }
    }

    #[test]
    fn each_change_of_a_recommendation_is_told_once_and_in_order() {
        let mut told = Vec::new();
        let mut rows = vec![
            recommendation("b", State::Proposed, 5),
            recommendation("a", State::Proposed, 5),
            recommendation("old", State::Expired, 4),
        ];
        let mut tell =
            |rows: &[RecommendationRow]| tell(&mut told, &Facts { recommendations: rows, ..Facts::default() }, NOW);
        assert_eq!(tell(&rows), ["recommendation a proposed", "recommendation b proposed"]);
        assert_eq!(tell(&rows), [""; 0]);
        // Another setting of the same proposal is no news, also when something else is.
        rows[0] = recommendation("b", State::Proposed, 6);
        assert_eq!(tell(&rows), [""; 0]);
        rows[1] = recommendation("a", State::Dismissed, 6);
        rows.push(recommendation("c", State::Proposed, 7));
        assert_eq!(tell(&rows), ["recommendation a dismissed", "recommendation c proposed"]);
        assert_eq!(tell(&rows), [""; 0]);
        rows[0] = recommendation("b", State::Accepted, 8);
        assert_eq!(tell(&rows), ["recommendation b accepted"]);
    }

    #[test]
    fn a_breach_is_told_when_it_is_expected_and_when_no_longer() {
        let mut told = Vec::new();
        let breach = |alert: &str, element: &str| ExpectedBreach {
            alert: alert.into(),
            expr: "x > 1".into(),
            element: element.into(),
            breach: Breach { expected_ms: NOW + HOUR, earliest_ms: NOW, latest_ms: None, slope_per_day: 1.0 },
        };
        let both = [breach("Disk", "a"), breach("Disk", "b")];
        let mut tell = |present: Option<&[ExpectedBreach]>, minute: i64| {
            tell(&mut told, &Facts { breaches: present, ..Facts::default() }, NOW + minute * 60_000)
        };
        assert_eq!(tell(Some(&both), 0), ["breach Disk expected", "breach Disk expected"]);
        // Before the first round of advice after a restart nothing is known.
        assert_eq!(tell(None, 90), [""; 0]);
        assert_eq!(tell(Some(&both[..1]), 100), ["breach Disk cleared"]);
        assert_eq!(tell(Some(&both[..1]), 200), [""; 0]);
        assert_eq!(tell(Some(&both), 300), ["breach Disk expected"]);
        // A trend that comes and goes gives at most one notice an hour.
        let flapping: usize =
            (301..420).map(|minute| tell(Some(if minute % 2 == 0 { &both } else { &both[..1] }), minute).len()).sum();
        assert_eq!(flapping, 1);
    }

    #[test]
    fn an_incident_that_grows_is_one_and_a_false_one_is_none() {
        let mut told = Vec::new();
        let incident = |start: i64, end: i64| SuspectedIncidentRow {
            started_at: at(start),
            ended_at: at(end),
            first_mover: "queue".into(),
            confidence: 0.8,
            signals: vec!["queue".into()],
            peak: 3.0,
        };
        let label = Incident {
            started_at: at(NOW - HOUR),
            ended_at: None,
            title: "t".into(),
            target: None,
            source: "s".into(),
            verdict: IncidentVerdict::False,
        };
        let mut tell = |rows: &[SuspectedIncidentRow], labelled: &[Incident]| {
            tell(&mut told, &Facts { incidents: rows, labelled, ..Facts::default() }, NOW)
        };
        let old = incident(NOW - 30 * HOUR, NOW - 29 * HOUR);
        assert_eq!(tell(&[incident(NOW - HOUR, NOW), old.clone()], &[label]), [""; 0]);
        assert_eq!(tell(&[incident(NOW - HOUR, NOW), old], &[]), ["incident queue suspected"]);
        // Later it begins earlier, and is longer.
        assert_eq!(tell(&[incident(NOW - HOUR - 60_000, NOW + HOUR)], &[]), [""; 0]);
    }

    #[test]
    fn a_run_of_anomalous_values_is_told_once() {
        let mut told = Vec::new();
        let row = |signal: &str, minute: i64| AnomalyRow {
            signal: signal.into(),
            timestamp: at(NOW + minute * 60_000),
            value: 9.0,
            yhat: 1.0,
            yhat_lower: 0.0,
            yhat_upper: 2.0,
            score: 4.0,
            kind: AnomalyKind::Value,
        };
        let mut tell = |rows: &[AnomalyRow], minute: i64| {
            let steps_ms = HashMap::from([("slow", HOUR)]);
            let facts = Facts { anomalies: rows, steps_ms, ..Facts::default() };
            tell(&mut told, &facts, NOW + minute * 60_000)
        };
        let mut rows: Vec<AnomalyRow> = (0..5).map(|minute| row("a", minute)).collect();
        rows.push(row("a", -1_000));
        assert_eq!(tell(&rows, 5), ["anomaly a begun"]);
        rows.extend((5..200).map(|minute| row("a", minute)));
        assert_eq!(tell(&rows, 200), [""; 0]);
        rows.extend([row("a", 230), row("slow", 200), row("slow", 260)]);
        assert_eq!(tell(&rows, 261), ["anomaly slow begun", "anomaly a begun"]);
        assert_eq!(tell(&rows, 262), [""; 0]);
    }
}
