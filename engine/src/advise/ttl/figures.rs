//! The figures of a cache's replay, and how they are written.

use almanac_models::Timestamp;
use serde_json::{Map, Value, json};

use super::{DaySchedule, Finding, Gains};

/// A predicted quantity; `value` is `None` where only bounds can be known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// The best guess.
    pub value: Option<f64>,
    /// The lower end of the interval, or the bound that holds.
    pub lower: f64,
    /// The upper end of the interval, or the bound that holds.
    pub upper: f64,
}

/// A quantity predicted from the first part and, where it can be, replayed on the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// What the first part says.
    pub predicted: Predicted,
    /// What the second part had; `None` where its events do not tell.
    pub replayed: Option<f64>,
}

/// What a cache does at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TtlFigures {
    /// The time-to-live, milliseconds.
    pub ttl_ms: i64,
    /// Hits among reads.
    pub hit_ratio: Figure,
    /// Stale hits among hits.
    pub stale_share: Figure,
    /// Keys with a live copy, averaged over time.
    pub resident_keys_mean: Figure,
}

/// The replay of one cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheReplay {
    /// The cache's name.
    pub cache: String,
    /// Whether the events suffice for hit ratio and stale share alike.
    pub identifiable: bool,
    /// Why nothing is recommended, or why the events do not suffice and what to send.
    pub reason: Option<String>,
    /// First moment of the second part.
    pub split_at: Timestamp,
    /// The time-to-live in force, milliseconds.
    pub current_ttl_ms: Option<i64>,
    /// The recommended one, milliseconds.
    pub recommended_ttl_ms: Option<i64>,
    /// Every time-to-live of the grid, the current and the recommended one, ascending.
    pub ttls: Vec<TtlFigures>,
    /// First and last event.
    pub span: (Timestamp, Timestamp),
    /// Events of the cache.
    pub events: usize,
    /// Share of the keys that was learned from.
    pub sampled_share: f64,
    /// What other means than another time-to-live would gain; none without reads.
    pub gains: Option<Gains>,
    /// Times-to-live by the hour of the day, where they serve better than a single one.
    pub hours: Option<DaySchedule>,
    /// What is wrong with the cache as such.
    pub findings: Vec<Finding>,
    /// Reads a day, as reported.
    pub reads_per_day: f64,
    /// Events that were not used, and why.
    pub notes: Vec<String>,
}

impl CacheReplay {
    /// The figures at a time-to-live.
    #[must_use]
    pub fn at(&self, ttl_ms: i64) -> Option<&TtlFigures> {
        self.ttls.iter().find(|row| row.ttl_ms == ttl_ms)
    }
}

impl CacheReplay {
    /// The replay as the command line prints it and evidence keeps it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let ttl = |ttl_ms: Option<i64>| ttl_ms.map(|ttl_ms| json!({"ttl_seconds": ttl_seconds(ttl_ms)}));
        let mut object = Map::new();
        object.insert("cache".to_owned(), json!(self.cache));
        object.insert("identifiable".to_owned(), json!(self.identifiable));
        object.insert("split_at".to_owned(), json!(self.split_at.millis()));
        object.insert("events".to_owned(), json!(self.events));
        object.insert("from".to_owned(), json!(self.span.0.millis()));
        object.insert("until".to_owned(), json!(self.span.1.millis()));
        object.insert("current".to_owned(), json!(ttl(self.current_ttl_ms)));
        object.insert("recommended".to_owned(), json!(ttl(self.recommended_ttl_ms)));
        if let Some(reason) = &self.reason {
            object.insert("reason".to_owned(), json!(reason));
        }
        if !self.notes.is_empty() {
            object.insert("notes".to_owned(), json!(self.notes));
        }
        object.insert("gains".to_owned(), self.gains.as_ref().map_or(Value::Null, Gains::to_json));
        object.insert("hours".to_owned(), self.hours.as_ref().map_or(Value::Null, DaySchedule::parts_json));
        object.insert("hours_figures".to_owned(), self.hours.as_ref().map_or(Value::Null, DaySchedule::figures_json));
        object.insert("findings".to_owned(), self.findings.iter().map(Finding::to_json).collect());
        object.insert("ttls".to_owned(), self.ttls.iter().map(|row| row.to_json()).collect());
        Value::Object(object)
    }
}

impl TtlFigures {
    fn to_json(self) -> Value {
        json!({
            "ttl_seconds": ttl_seconds(self.ttl_ms),
            "hit_ratio": self.hit_ratio.to_json(),
            "stale_share": self.stale_share.to_json(),
            "resident_keys_mean": self.resident_keys_mean.to_json(),
        })
    }
}

impl Figure {
    /// What was replayed, or else what was predicted.
    pub(super) fn best_known(&self) -> Option<f64> {
        self.replayed.or(self.predicted.value)
    }

    pub(super) fn to_json(self) -> Value {
        let Predicted { value, lower, upper } = self.predicted;
        json!({"predicted": {"value": value, "lower": lower, "upper": upper}, "replayed": self.replayed})
    }
}

/// Whole seconds as an integer, as people write them; parts of a second as a fraction.
pub(super) fn ttl_seconds(ttl_ms: i64) -> Value {
    if ttl_ms % 1_000 == 0 { json!(ttl_ms / 1_000) } else { json!(super::choose::seconds(ttl_ms)) }
}
