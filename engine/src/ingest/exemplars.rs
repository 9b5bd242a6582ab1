//! Exemplars: examples of observations with labels, such as the id of a trace, in a ring of bounded length in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::series::{Labels, Matcher};

/// Most characters of the names and values of an exemplar's labels together, as in OpenMetrics.
pub const EXEMPLAR_LABEL_CHARS: usize = 128;

/// An example of an observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Labels, such as `trace_id`.
    pub labels: Labels,
    /// Observed value.
    pub value: f64,
    /// Time in epoch milliseconds.
    pub timestamp_ms: i64,
}

/// Why an exemplar is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExemplarError {
    /// The labels are too long.
    #[error("an exemplar of {series} has labels of {chars} characters; the limit is {EXEMPLAR_LABEL_CHARS}")]
    TooLong {
        /// The series.
        series: String,
        /// Characters of all names and values.
        chars: usize,
    },
    /// It has no valid labels, value or time.
    #[error("an exemplar of {series} has {problem}")]
    Invalid {
        /// The series.
        series: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// It is older than the newest of its series.
    #[error("an exemplar of {series} is older than the newest one: {timestamp_ms} before {newest_ms}")]
    OutOfOrder {
        /// The series.
        series: String,
        /// Its time in epoch milliseconds.
        timestamp_ms: i64,
        /// Time of the newest one.
        newest_ms: i64,
    },
}

/// The newest exemplars of all series. Clones share them.
#[derive(Debug, Clone)]
pub struct Exemplars(Arc<Mutex<Ring>>);

#[derive(Debug)]
struct Ring {
    capacity: usize,
    kept: VecDeque<(Labels, Exemplar)>,
    /// Number of kept exemplars of each series, and the newest.
    newest: HashMap<Labels, (usize, Exemplar)>,
    added: u64,
}

impl Exemplars {
    /// Creates a ring for this many exemplars; 0: none are kept.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Ring { capacity, kept: VecDeque::new(), newest: HashMap::new(), added: 0 })))
    }

    /// Whether exemplars are kept at all.
    #[must_use]
    pub fn are_kept(&self) -> bool {
        self.0.lock().capacity > 0
    }

    /// Adds an exemplar, which replaces the oldest one when the ring is full. One that repeats the newest of its series is
    /// ignored. Returns whether it was added.
    ///
    /// # Errors
    /// [`ExemplarError`]; it is not kept.
    pub fn add(&self, series: &Labels, exemplar: Exemplar) -> Result<bool, ExemplarError> {
        let chars: usize =
            exemplar.labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        if chars > EXEMPLAR_LABEL_CHARS {
            return Err(ExemplarError::TooLong { series: series.to_string(), chars });
        }
        let mut ring = self.0.lock();
        if ring.capacity == 0 {
            return Ok(false);
        }
        if let Some((_, newest)) = ring.newest.get(series) {
            let same_time = exemplar.timestamp_ms == newest.timestamp_ms;
            let same_value = exemplar.value.to_bits() == newest.value.to_bits();
            if same_time && same_value && exemplar.labels == newest.labels {
                return Ok(false);
            }
            if exemplar.timestamp_ms < newest.timestamp_ms || (same_time && exemplar.value < newest.value) {
                let (timestamp_ms, newest_ms) = (exemplar.timestamp_ms, newest.timestamp_ms);
                return Err(ExemplarError::OutOfOrder { series: series.to_string(), timestamp_ms, newest_ms });
            }
        }
        while ring.kept.len() >= ring.capacity {
            let Some((labels, _)) = ring.kept.pop_front() else { break };
            if let Some(of_series) = ring.newest.get_mut(&labels) {
                of_series.0 -= 1;
                if of_series.0 == 0 {
                    ring.newest.remove(&labels);
                }
            }
        }
        // All exemplars of a series share its labels.
        let series = ring.newest.get_key_value(series).map_or_else(|| series.clone(), |(kept, _)| kept.clone());
        ring.kept.push_back((series.clone(), exemplar.clone()));
        let of_series = ring.newest.entry(series).or_insert_with(|| (0, exemplar.clone()));
        *of_series = (of_series.0 + 1, exemplar);
        ring.added += 1;
        Ok(true)
    }

    /// Whether the newest exemplar of a series has these labels and this value, at whatever time. A page without times of
    /// its own repeats its exemplars at each scrape.
    #[must_use]
    pub fn has_newest(&self, series: &Labels, labels: &Labels, value: f64) -> bool {
        let ring = self.0.lock();
        let newest = ring.newest.get(series);
        newest.is_some_and(|(_, newest)| newest.value.to_bits() == value.to_bits() && newest.labels == *labels)
    }

    /// Returns the exemplars in a span, both ends included, of the series that satisfy all matchers of any selector:
    /// ordered by labels, then by time.
    #[must_use]
    pub fn select(&self, selectors: &[&[Matcher]], start_ms: i64, end_ms: i64) -> Vec<(Labels, Vec<Exemplar>)> {
        let within: Vec<(Labels, Exemplar)> = {
            let ring = self.0.lock();
            let in_span = |exemplar: &Exemplar| (start_ms..=end_ms).contains(&exemplar.timestamp_ms);
            ring.kept.iter().filter(|(_, exemplar)| in_span(exemplar)).cloned().collect()
        };
        // Patterns are matched without the lock, once for each series.
        let mut found: HashMap<Labels, Option<Vec<Exemplar>>> = HashMap::new();
        for (labels, exemplar) in within {
            let of_series = found.entry(labels.clone()).or_insert_with(|| {
                let is_selected = selectors.iter().any(|all| all.iter().all(|matcher| matcher.matches(&labels)));
                is_selected.then(Vec::new)
            });
            if let Some(all) = of_series {
                all.push(exemplar);
            }
        }
        let mut found: Vec<(Labels, Vec<Exemplar>)> =
            found.into_iter().filter_map(|(labels, all)| Some((labels, all?))).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Returns the number of kept exemplars, and of those that were added since the start.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let ring = self.0.lock();
        (ring.kept.len() as u64, ring.added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str, value: &str) -> Labels {
        Labels::from_pairs([(name, value)]).unwrap()
    }

    fn exemplar(trace: &str, value: f64, timestamp_ms: i64) -> Exemplar {
        Exemplar { labels: labels("trace_id", trace), value, timestamp_ms }
    }

    #[test]
    fn the_oldest_exemplar_is_replaced() {
        let ring = Exemplars::new(3);
        for at in 0..5 {
            let series = labels("job", if at % 2 == 0 { "a" } else { "b" });
            assert_eq!(ring.add(&series, exemplar("x", 1.0, at)), Ok(true));
        }
        let all = ring.select(&[&[Matcher::equal("job", "a")], &[Matcher::equal("job", "b")]], 0, 10);
        let times = |idx: usize| all[idx].1.iter().map(|one| one.timestamp_ms).collect::<Vec<_>>();
        assert_eq!((times(0), times(1), ring.counts()), (vec![2, 4], vec![3], (3, 5)));
        assert_eq!(ring.select(&[&[Matcher::equal("job", "a")]], 3, 10)[0].1.len(), 1);
        assert_eq!(ring.select(&[&[Matcher::equal("job", "c")]], 0, 10), []);
    }

    #[test]
    fn the_newest_of_a_series_is_known_by_its_labels_and_value() {
        let (ring, series) = (Exemplars::new(1), labels("job", "a"));
        assert!(!ring.has_newest(&series, &labels("trace_id", "x"), 1.0));
        ring.add(&series, exemplar("x", 1.0, 10)).unwrap();
        assert!(ring.has_newest(&series, &labels("trace_id", "x"), 1.0));
        assert!(!ring.has_newest(&series, &labels("trace_id", "x"), 2.0));
        assert!(!ring.has_newest(&series, &labels("trace_id", "y"), 1.0));
        ring.add(&labels("job", "b"), exemplar("x", 1.0, 10)).unwrap();
        assert!(!ring.has_newest(&series, &labels("trace_id", "x"), 1.0));
    }

    #[test]
    fn repeated_older_and_long_exemplars_are_not_kept() {
        let (ring, series) = (Exemplars::new(3), labels("job", "a"));
        assert_eq!(ring.add(&series, exemplar("x", 1.0, 10)), Ok(true));
        assert_eq!(ring.add(&series, exemplar("x", 1.0, 10)), Ok(false));
        assert!(matches!(ring.add(&series, exemplar("x", 1.0, 9)), Err(ExemplarError::OutOfOrder { .. })));
        // 8 characters of the name and 120 of the value are 128, also if they have two bytes each.
        assert_eq!(ring.add(&series, exemplar(&"é".repeat(120), 1.0, 11)), Ok(true));
        assert_eq!(
            ring.add(&series, exemplar(&"é".repeat(121), 1.0, 12)),
            Err(ExemplarError::TooLong { series: r#"{job="a"}"#.into(), chars: 129 })
        );
        assert_eq!(Exemplars::new(0).add(&series, exemplar("x", 1.0, 10)), Ok(false));
    }
}
