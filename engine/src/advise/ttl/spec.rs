//! What a user writes of a cache, and how a replay is set up.

use std::collections::BTreeMap;

use almanac_models::{Level, ttl::OnWrite};
use serde::Deserialize;

use super::TtlError;
use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, millis_list, optional_millis},
    },
    ledger::Direction,
};

/// The metric that a recommendation on a time-to-live promises.
pub(super) const HIT_RATIO: Metric = Metric { name: "hit_ratio", unit: "1", better: Direction::Higher };

/// Events of a cache that are read and held at most: 64 MB of them.
pub(super) const EVENTS_MAX: usize = 4_000_000;

/// Times-to-live that are looked at when nobody says which, milliseconds: one second to one day.
#[must_use]
pub fn default_grid() -> Vec<i64> {
    const SECONDS: [i64; 16] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];
    SECONDS.iter().map(|seconds| seconds * 1_000).collect()
}

/// What one miss and one stale hit cost, in a common unit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TtlCosts {
    /// Cost of a miss, ≥ 0.
    pub miss: f64,
    /// Cost of a stale hit, ≥ 0.
    pub stale: f64,
}

/// A cache that a service runs and wants advice for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSpec {
    /// Its name, as its events carry it.
    pub name: String,
    /// The time-to-live in force, milliseconds.
    #[serde(rename = "ttl", deserialize_with = "optional_millis")]
    pub ttl_ms: Option<i64>,
    /// The largest tolerable share of stale hits among hits.
    pub stale_share_max: f64,
    /// Events of the application that invalidate it; not empty means that a write drops the copy.
    pub invalidate_on: Vec<String>,
    /// Whether the application could drop a copy when the origin's value changes; then that is recommended where it serves best.
    pub can_invalidate: bool,
    /// Times-to-live to look at, milliseconds; empty for [`default_grid`].
    #[serde(rename = "grid", deserialize_with = "millis_list")]
    pub grid_ms: Vec<i64>,
    /// When given, the least cost decides instead of the stale limit alone.
    pub costs: Option<TtlCosts>,
    /// PromQL for the number of hits so far, where no events are reported.
    pub hits: Option<String>,
    /// PromQL for the number of misses so far, where no events are reported.
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
            return Err("hits and misses go together; write both or none".to_owned());
        }
        for (key, expr) in [("hits", &self.hits), ("misses", &self.misses)] {
            check_expr(expr.as_deref()).map_err(|message| format!("{key}: {message}"))?;
        }
        Ok(())
    }
}

impl CacheSpec {
    /// A cache of this name with a stale limit of 1 % and nothing else known.
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

/// How a replay learns, predicts and chooses.
#[derive(Debug, Clone, PartialEq)]
pub struct TtlOptions {
    /// Share of each cache's span that is learned from, in (0, 1).
    pub split: f64,
    /// The largest tolerable share of stale hits among hits.
    pub stale_share_max: f64,
    /// The times-to-live in force by cache, milliseconds.
    pub current_ms: BTreeMap<String, i64>,
    /// What a write does to the copy.
    pub on_write: OnWrite,
    /// Times-to-live to look at, milliseconds, each positive.
    pub grid_ms: Vec<i64>,
    /// When given, the least cost decides among what the limit allows.
    pub costs: Option<TtlCosts>,
    /// Accesses held for learning, at most; past it fewer keys are kept (by hash).
    pub max_events: usize,
    /// What the predicted intervals promise.
    pub level: Level,
}

impl TtlOptions {
    /// Split in the middle, stale limit 1 %, the default grid, four million accesses (64 MB).
    ///
    /// `level`: what the predicted intervals promise.
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
