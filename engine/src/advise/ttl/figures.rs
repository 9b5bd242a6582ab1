//! Figures of a cache's replay and their JSON form.

use almanac_models::Timestamp;
use serde_json::{Map, Value, json};

use super::{DaySchedule, Finding, Gains};

/// A predicted quantity. `value` is `None` if only bounds are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// Best estimate.
    pub value: Option<f64>,
    /// Lower end of the interval, or lower bound.
    pub lower: f64,
    /// Upper end of the interval, or upper bound.
    pub upper: f64,
}

/// A quantity predicted from the first part and, if possible, replayed on the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Prediction from the first part.
    pub predicted: Predicted,
    /// Value on the second part; `None` if its events do not determine it.
    pub replayed: Option<f64>,
}

/// Figures of a cache at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TtlFigures {
    /// Time-to-live, milliseconds.
    pub ttl_ms: i64,
    /// Hits among reads.
    pub hit_ratio: Figure,
    /// Stale hits among hits.
    pub stale_share: Figure,
    /// Keys with a live copy, averaged over time.
    pub resident_keys_mean: Figure,
}

/// Replay of one cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheReplay {
    /// Name of the cache.
    pub cache: String,
    /// Whether the events determine both hit ratio and stale share.
    pub identifiable: bool,
    /// Why nothing is recommended, or which events are missing.
    pub reason: Option<String>,
    /// First instant of the second part.
    pub split_at: Timestamp,
    /// Present time-to-live, milliseconds.
    pub current_ttl_ms: Option<i64>,
    /// Recommended time-to-live, milliseconds.
    pub recommended_ttl_ms: Option<i64>,
    /// Figures of every time-to-live of the grid, the present and the recommended one, ascending.
    pub ttls: Vec<TtlFigures>,
    /// First and last event.
    pub span: (Timestamp, Timestamp),
    /// Number of events.
    pub events: usize,
    /// Share of the keys that was learned from.
    pub sampled_share: f64,
    /// Gains of other means than a time-to-live; none without reads.
    pub gains: Option<Gains>,
    /// Times-to-live by hour of the day, if they are better than a single one.
    pub hours: Option<DaySchedule>,
    /// Problems of the cache at any time-to-live.
    pub findings: Vec<Finding>,
    /// Reported reads per day.
    pub reads_per_day: f64,
    /// Notes on events that were left out.
    pub notes: Vec<String>,
}

impl CacheReplay {
    /// Returns the figures at a time-to-live.
    #[must_use]
    pub fn at(&self, ttl_ms: i64) -> Option<&TtlFigures> {
        self.ttls.iter().find(|row| row.ttl_ms == ttl_ms)
    }
}

impl CacheReplay {
    /// Returns the replay as JSON, for the command line and the evidence.
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
    /// Returns the replayed value, or else the predicted one.
    pub(super) fn best_known(&self) -> Option<f64> {
        self.replayed.or(self.predicted.value)
    }

    pub(super) fn to_json(self) -> Value {
        let Predicted { value, lower, upper } = self.predicted;
        json!({"predicted": {"value": value, "lower": lower, "upper": upper}, "replayed": self.replayed})
    }
}

/// Returns whole seconds as an integer and fractions of a second as a float.
pub(super) fn ttl_seconds(ttl_ms: i64) -> Value {
    if ttl_ms % 1_000 == 0 { json!(ttl_ms / 1_000) } else { json!(super::choose::seconds(ttl_ms)) }
}
