//! Specification of a cache in the configuration, and options of a replay.

use std::collections::BTreeMap;

use almanac_models::{Level, ttl::OnWrite};
use serde::Deserialize;

use super::TtlError;
use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, duration_text, millis_list, optional_millis, percent},
    },
    ledger::Direction,
};

/// Metric that a time-to-live recommendation promises.
pub(super) const HIT_RATIO: Metric = Metric { name: "hit_ratio", unit: "1", better: Direction::Higher };

/// Maximum number of events of a cache that are read and held: 64 MB.
pub(super) const EVENTS_MAX: usize = 4_000_000;

/// Returns the default times-to-live, milliseconds: one second to one day.
#[must_use]
pub fn default_grid() -> Vec<i64> {
    const SECONDS: [i64; 16] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];
    SECONDS.iter().map(|seconds| seconds * 1_000).collect()
}

/// Costs of one miss and of one stale hit, in a common unit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TtlCosts {
    /// Cost of a miss, ≥ 0.
    pub miss: f64,
    /// Cost of a stale hit, ≥ 0.
    pub stale: f64,
}

/// A cache to advise on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSpec {
    /// Name, as in its events.
    pub name: String,
    /// Present time-to-live, milliseconds.
    #[serde(rename = "ttl", deserialize_with = "optional_millis")]
    pub ttl_ms: Option<i64>,
    /// Maximum share of stale hits among hits.
    pub stale_share_max: f64,
    /// Application events that invalidate the cache. If not empty, a write drops the copy.
    pub invalidate_on: Vec<String>,
    /// Whether the application can drop a copy when the origin's value changes. If so, that is recommended when it is
    /// best.
    pub can_invalidate: bool,
    /// Times-to-live to evaluate, milliseconds; empty for [`default_grid`].
    #[serde(rename = "grid", deserialize_with = "millis_list")]
    pub grid_ms: Vec<i64>,
    /// If given, the lowest cost decides instead of the hit ratio.
    pub costs: Option<TtlCosts>,
    /// PromQL of the cumulative number of hits, used when no events are reported.
    pub hits: Option<String>,
    /// PromQL of the cumulative number of misses, used when no events are reported.
    pub misses: Option<String>,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self::new("")
    }
}

impl AdvisorSpec for CacheSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("cache", &["name"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.stale_share_max) {
            return Err(format!("stale_share_max {} is not a share between 0 and 1", self.stale_share_max));
        }
        let costs = self.costs.iter().flat_map(|costs| [("miss", costs.miss), ("stale hit", costs.stale)]);
        for (what, cost) in costs {
            if !(cost >= 0.0 && cost.is_finite()) {
                return Err(format!("the cost of a {what}, {cost}, is not a number of at least 0"));
            }
        }
        if self.hits.is_some() != self.misses.is_some() {
            return Err("hits and misses must be given together; write both or none".to_owned());
        }
        for (key, expr) in [("hits", &self.hits), ("misses", &self.misses)] {
            check_expr(expr.as_deref()).map_err(|message| format!("{key}: {message}"))?;
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let present = self.ttl_ms.map_or_else(
            || "the present one is unknown without ttl".to_owned(),
            |ttl| format!("at present {}", duration_text(ttl)),
        );
        let from = match (&self.hits, &self.misses) {
            (Some(hits), Some(misses)) => format!("the events of this cache, or without them {hits} and {misses}"),
            _ => "the events of this cache that its client sends to /v1/events".to_owned(),
        };
        let writes = if self.invalidate_on.is_empty() {
            "a write leaves the copy".to_owned()
        } else {
            format!("{} drops the copy", self.invalidate_on.join(" or "))
        };
        format!(
            "Recommends a time-to-live ({present}) with at most {} % stale hits, from {from}; {writes}.",
            percent(self.stale_share_max)
        )
    }
}

impl CacheSpec {
    /// Creates a cache of this name with a stale limit of 1 % and no other settings.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ttl_ms: None,
            stale_share_max: 0.01,
            invalidate_on: Vec::new(),
            can_invalidate: true,
            grid_ms: Vec::new(),
            costs: None,
            hits: None,
            misses: None,
        }
    }
}

/// Options of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct TtlOptions {
    /// Share of each cache's span that is learned from, in (0, 1).
    pub split: f64,
    /// Maximum share of stale hits among hits.
    pub stale_share_max: f64,
    /// Present time-to-live of each cache, milliseconds.
    pub current_ms: BTreeMap<String, i64>,
    /// Effect of a write on the copy.
    pub on_write: OnWrite,
    /// Times-to-live to evaluate, milliseconds, each positive.
    pub grid_ms: Vec<i64>,
    /// If given, the lowest cost decides among the times-to-live that the limit allows.
    pub costs: Option<TtlCosts>,
    /// Maximum number of accesses held for learning. Beyond it fewer keys are kept, selected by hash.
    pub max_events: usize,
    /// Level of the predicted intervals.
    pub level: Level,
}

impl TtlOptions {
    /// Returns a split in the middle, a stale limit of 1 %, the default grid, and at most four million accesses (64
    /// MB).
    ///
    /// `level`: level of the predicted intervals.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self {
            split: 0.5,
            stale_share_max: 0.01,
            current_ms: BTreeMap::new(),
            on_write: OnWrite::Keep,
            grid_ms: default_grid(),
            costs: None,
            max_events: EVENTS_MAX,
            level,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`TtlError`] that names the first value outside its range.
    pub fn validate(&self) -> Result<(), TtlError> {
        if !(self.split > 0.0 && self.split < 1.0) {
            return Err(TtlError::Split { split: self.split });
        }
        if !(0.0..=1.0).contains(&self.stale_share_max) {
            return Err(TtlError::StaleLimit { limit: self.stale_share_max });
        }
        if let Some(&ttl_ms) = self.grid_ms.iter().chain(self.current_ms.values()).find(|ttl_ms| **ttl_ms <= 0) {
            return Err(TtlError::Ttl { ttl_ms });
        }
        let costs = self.costs.map_or([0.0; 2], |costs| [costs.miss, costs.stale]);
        match costs.iter().find(|cost| !(0.0..f64::INFINITY).contains(*cost)) {
            Some(&cost) => Err(TtlError::Cost { cost }),
            None => Ok(()),
        }
    }
}
