//! What the service learned, as series for PromQL: the expected value, the band and the anomaly score of each signal, and
//! the recommended replicas of each workload. They are computed from rows when a selector names them, and are not stored.

use almanac_models::Timestamp;
use serde_json::Value;

use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher, SampleSource, SeriesHistograms, SeriesSamples, SourceError},
    store::{
        Store,
        rows::{AnomalyRow, Kind, RecommendationFilter, RecommendationRow, RowFilter, State},
    },
};

/// Start of the names of these series.
const PREFIX: &str = "almanac_";
/// A name of a series, and its value in a row.
type OfSignal = (&'static str, fn(&AnomalyRow) -> f64);

/// Series of a signal, with the label `signal`.
const OF_SIGNALS: [OfSignal; 5] = [
    ("almanac_signal_value", |row| row.value),
    ("almanac_signal_expected", |row| row.yhat),
    ("almanac_signal_lower", |row| row.yhat_lower),
    ("almanac_signal_upper", |row| row.yhat_upper),
    ("almanac_signal_anomaly_score", |row| row.score),
];
/// Recommended replicas, with the label `workload`.
const REPLICAS: &str = "almanac_recommended_replicas";
/// Start of the names of expected breaches, which the service reports as metrics.
const BREACHES: &str = "almanac_breach_";
/// Kind of the recommendations with replicas.
const SCALING: &str = "scaling";
/// Rows from which a limit is none: more than a store can have.
const ROWS_MAX: usize = 1 << 40;
/// Distance of the samples of recommended replicas in milliseconds, so that each is within the look-back of the next.
const REPLICAS_STEP_MS: i64 = 60_000;

/// Returns whether a metric is what was learned or advised. It is stored too where `/metrics` of the service is scraped.
pub(super) fn is_learned(metric: &str) -> bool {
    metric == REPLICAS || metric.starts_with(BREACHES) || OF_SIGNALS.iter().any(|(name, _)| *name == metric)
}

/// The samples of a store, and what was learned from them. A learned series matches only selectors that name it: `=`
/// with its name, or a pattern that starts with `almanac_`.
#[derive(Debug, Clone)]
pub struct LearnedSource {
    store: Store,
    now: Timestamp,
}

impl LearnedSource {
    /// Returns the source. `now`: a recommendation has no samples later than this.
    #[must_use]
    pub fn new(store: Store, now: Timestamp) -> Self {
        Self { store, now }
    }

    /// Returns the labels of the learned series within a span that any of the selectors names.
    ///
    /// # Errors
    /// As [`SampleSource::select`].
    pub fn learned_labels(
        &self,
        selectors: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Labels>, SourceError> {
        let mut all = Vec::new();
        for matchers in selectors {
            all.extend(self.learned(matchers, start_ms, end_ms, usize::MAX)?.into_iter().map(|series| series.labels));
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    fn learned(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        if start_ms > end_ms || !names_learned(matchers) {
            return Ok(Vec::new());
        }
        let is_named = |name: &str| {
            matchers.iter().filter(|matcher| matcher.name() == METRIC_NAME).all(|matcher| matcher.matches_value(name))
        };
        let mut found = Collected { all: Vec::new(), left: limit, limit };
        if OF_SIGNALS.iter().any(|(name, _)| is_named(name)) {
            self.signals(matchers, (start_ms, end_ms), &is_named, &mut found)?;
        }
        if is_named(REPLICAS) {
            self.replicas(matchers, (start_ms, end_ms), &mut found)?;
        }
        Ok(found.all)
    }

    /// Adds the series of the signals.
    fn signals(
        &self,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        is_named: &dyn Fn(&str) -> bool,
        found: &mut Collected,
    ) -> Result<(), SourceError> {
        let filter = RowFilter {
            start: Some(Timestamp::from_millis(start_ms)),
            end: Some(Timestamp::from_millis(end_ms)),
            signals: matchers
                .iter()
                .find(|matcher| matcher.name() == "signal" && matcher.op() == MatchOp::Equal)
                .map(|matcher| matcher.value().to_owned())
                .into_iter()
                .collect(),
            // One more than permitted is enough to notice.
            limit: found.left.checked_add(1).filter(|limit| *limit < ROWS_MAX),
            ..RowFilter::default()
        };
        let mut rows = self.store.anomalies(&filter)?;
        // With a limit the newest rows come first.
        rows.sort_by(|a, b| a.signal.cmp(&b.signal).then(a.timestamp.cmp(&b.timestamp)));
        for rows in rows.chunk_by(|a, b| a.signal == b.signal) {
            for (name, value) in OF_SIGNALS.iter().filter(|(name, _)| is_named(name)) {
                let labels = labels(name, "signal", &rows[0].signal)?;
                let samples = rows.iter().map(|row| (row.timestamp.millis(), value(row)));
                found.add(matchers, labels, samples)?;
            }
        }
        Ok(())
    }

    /// Adds the recommended replicas of the workloads.
    fn replicas(&self, matchers: &[Matcher], span: (i64, i64), found: &mut Collected) -> Result<(), SourceError> {
        let filter =
            RecommendationFilter { kinds: vec![Kind::from_static(SCALING)], ..RecommendationFilter::default() };
        let mut rows = self.store.recommendations(&filter)?;
        rows.sort_by(|a, b| a.target.cmp(&b.target).then(validity(a, self.now).cmp(&validity(b, self.now))));
        for rows in rows.chunk_by(|a, b| a.target == b.target) {
            let mut samples: Vec<(i64, f64)> = Vec::new();
            for row in rows {
                let Some(replicas) = row.proposed.get("replicas").and_then(Value::as_f64) else { continue };
                let (from, until) = validity(row, self.now);
                let (from, until) = (from.max(span.0), until.min(span.1));
                // A newer recommendation takes over where it starts.
                samples.retain(|(at, _)| *at < from);
                let mut at = from;
                while at <= until && samples.len() <= found.left {
                    samples.push((at, replicas));
                    at = (at.div_euclid(REPLICAS_STEP_MS) + 1) * REPLICAS_STEP_MS;
                }
            }
            found.add(matchers, labels(REPLICAS, "workload", &rows[0].target)?, samples.into_iter())?;
        }
        Ok(())
    }
}

/// Whether a selector names learned series.
fn names_learned(matchers: &[Matcher]) -> bool {
    matchers.iter().any(|matcher| {
        matcher.name() == METRIC_NAME
            && matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex)
            && matcher.value().trim_start_matches(['^', '(']).starts_with(PREFIX)
    })
}

fn labels(name: &str, label: &str, value: &str) -> Result<Labels, SourceError> {
    let pairs = [(METRIC_NAME, name), (label, value)];
    Labels::from_pairs(pairs).map_err(|error| SourceError::Store(Box::new(error)))
}

/// Returns the first and the last time in milliseconds at which a recommendation holds: from its decision to the end of
/// its validity, its last change if it is over, or now.
fn validity(row: &RecommendationRow, now: Timestamp) -> (i64, i64) {
    let decided = row.proposed.get("decided_at").and_then(Value::as_str);
    let decided = decided.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    let from = decided.map_or(row.valid_from.millis(), |at| at.timestamp_millis());
    let mut until = row.valid_until.map_or(i64::MAX, |at| at.millis()).min(now.millis());
    if matches!(row.state, State::Expired | State::Dismissed) {
        until = until.min(row.updated_at.millis());
    }
    (from, until)
}

/// Series that were found, within a limit on their samples.
struct Collected {
    all: Vec<SeriesSamples>,
    left: usize,
    limit: usize,
}

impl Collected {
    fn add(
        &mut self,
        matchers: &[Matcher],
        labels: Labels,
        samples: impl Iterator<Item = (i64, f64)>,
    ) -> Result<(), SourceError> {
        if !matchers.iter().all(|matcher| matcher.matches(&labels)) {
            return Ok(());
        }
        let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.take(self.left.saturating_add(1)).unzip();
        self.left = self.left.checked_sub(timestamps.len()).ok_or(SourceError::TooManySamples { limit: self.limit })?;
        if !timestamps.is_empty() {
            self.all.push(SeriesSamples { labels, timestamps, values });
        }
        Ok(())
    }
}

impl SampleSource for LearnedSource {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let mut series = self.store.select(matchers, start_ms, end_ms, limit)?;
        if !names_learned(matchers) {
            return Ok(series);
        }
        let stored: usize = series.iter().map(|one| one.timestamps.len()).sum();
        let learned = self.learned(matchers, start_ms, end_ms, limit.saturating_sub(stored))?;
        // A stored series with the same labels, such as one that was written back, is the one that counts.
        let is_new = |one: &SeriesSamples| series.binary_search_by(|stored| stored.labels.cmp(&one.labels)).is_err();
        let new: Vec<SeriesSamples> = learned.into_iter().filter(is_new).collect();
        series.extend(new);
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    fn select_newest(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        if !names_learned(matchers) {
            return self.store.select_newest(matchers, start_ms, end_ms, limit);
        }
        let mut series = self.select(matchers, start_ms, end_ms, limit)?;
        series.iter_mut().for_each(SeriesSamples::keep_newest);
        Ok(series)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesHistograms>, SourceError> {
        self.store.select_histograms(matchers, start_ms, end_ms, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::{EvalLimits, Value as Found, instant, parse},
        store::{SampleBatch, StoreOptions, rows::AnomalyKind},
    };

    fn elements(source: &LearnedSource, expr: &str, at_ms: i64) -> Vec<(String, f64)> {
        match instant(source, &parse(expr).unwrap(), at_ms, &EvalLimits::default()).unwrap() {
            Found::Vector(all) => all.into_iter().map(|one| (one.labels.to_string(), one.value)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn learned_series_match_selectors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let at = Timestamp::from_millis(600_000);
        let row = |signal: &str, value: f64| AnomalyRow {
            signal: signal.to_owned(),
            timestamp: at,
            value,
            yhat: 2.0,
            yhat_lower: 1.0,
            yhat_upper: 3.0,
            score: 0.25,
            kind: AnomalyKind::Value,
        };
        store.put_anomalies(&[row("a", 2.5), row("b", 9.0)]).unwrap();
        let labels = Labels::from_pairs([(METRIC_NAME, "up"), ("signal", "a")]).unwrap();
        let mut batch = SampleBatch::default();
        batch.push(store.resolve(&labels).unwrap(), 600_000, 1.0);
        store.append(batch).unwrap().wait().unwrap();

        let source = LearnedSource::new(store, at.plus_millis(60_000));
        let found = elements(&source, "almanac_signal_expected{signal=\"a\"}", 630_000);
        assert_eq!(found, [("almanac_signal_expected{signal=\"a\"}".to_owned(), 2.0)]);
        assert_eq!(elements(&source, "almanac_signal_anomaly_score > 0.2", 630_000).len(), 2);
        assert_eq!(elements(&source, "{__name__=~\"almanac_signal_.*\", signal=\"b\"}", 630_000).len(), 5);
        assert_eq!(elements(&source, "almanac_signal_value > almanac_signal_upper", 630_000).len(), 1);
        // Neither a pattern of every name nor the label alone reads them, and they end with the look-back.
        assert_eq!(elements(&source, "{__name__=~\".+\"}", 630_000).len(), 1);
        assert_eq!(elements(&source, "{signal=\"a\"}", 630_000).len(), 1);
        assert!(elements(&source, "almanac_signal_expected", 901_000).is_empty());
        let selector = vec![Matcher::equal(METRIC_NAME, "almanac_signal_lower")];
        assert_eq!(source.learned_labels(&[selector], 0, 900_000).unwrap().len(), 2);
        let all = [Matcher::equal(METRIC_NAME, "almanac_signal_lower")];
        assert!(matches!(source.select(&all, 0, 900_000, 1), Err(SourceError::TooManySamples { limit: 1 })));
    }
}
