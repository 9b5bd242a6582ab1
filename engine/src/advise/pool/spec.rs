//! Specification of a connection pool in the configuration.

use serde::Deserialize;

use crate::{
    advise::{
        AdvisorSpec, Metric,
        kit::{Section, check_expr, duration_text, millis, optional_millis},
    },
    ledger::Direction,
};

/// Metric of a larger pool: the 95 % quantile of the wait for a connection, measured by a histogram of waits.
pub(super) const WAIT_P95: Metric = Metric { name: "pool_wait_p95", unit: "s", better: Direction::Lower };
/// Metric of a larger pool without a histogram of waits: the 95 % quantile over time of the share of connections in use.
pub(super) const FULL_SHARE: Metric = Metric { name: "pool_full_share", unit: "1", better: Direction::Lower };
/// Metric of a smaller pool: connections that all instances together may open and do not use, on average.
pub(super) const IDLE_CONNECTIONS: Metric =
    Metric { name: "pool_idle_connections", unit: "1", better: Direction::Lower };

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Largest number of connections of a pool that is accepted.
const CONNECTIONS_MAX: f64 = 10_000.0;

/// A number, or PromQL that returns it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number.
    Number(f64),
    /// PromQL with one series as its result.
    Expr(String),
}

impl Amount {
    /// Returns the text as the configuration has it.
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Expr(expr) => expr.clone(),
        }
    }

    /// Checks a number against its range, or that an expression is PromQL.
    fn check(&self, key: &str, least: f64) -> Result<(), String> {
        match self {
            Self::Number(number) if (least..=CONNECTIONS_MAX).contains(number) && number.fract() == 0.0 => Ok(()),
            Self::Number(number) => {
                Err(format!("{key} is {number}; write a whole number from {least} to {CONNECTIONS_MAX}, or PromQL"))
            }
            Self::Expr(expr) => check_expr(Some(expr)).map_err(|message| format!("{key}: {message}")),
        }
    }
}

/// A connection pool to advise on; plain data from the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSpec {
    /// Name; recommendations use it as their target.
    pub name: String,
    /// PromQL of the connections in use.
    pub in_use: String,
    /// PromQL of the checkouts per second.
    pub arrivals: String,
    /// Hold time in seconds: the name of a histogram, with matchers, or PromQL of the mean.
    pub hold: String,
    /// Histogram of the wait for a connection in seconds, with matchers; none: waits are only predicted.
    pub wait: Option<String>,
    /// PromQL of the connections that are open, used or not, over all instances.
    pub open: Option<String>,
    /// Connections that an instance keeps.
    pub size: Amount,
    /// Connections that an instance may open beyond `size` and closes after use; none: the pool has no such connections.
    pub overflow: Option<Amount>,
    /// Longest acceptable wait, 95 % quantile, milliseconds.
    #[serde(rename = "wait_max", deserialize_with = "millis")]
    pub wait_max_ms: i64,
    /// Instances of the application, each with its own pool.
    pub instances: Amount,
    /// Largest number of instances that scaling may start; none: that of the history, or what `workload` foresees.
    pub instances_max: Option<u32>,
    /// Workload whose scaling recommendation foresees the instances.
    pub workload: Option<String>,
    /// Whether `in_use` and `arrivals` are those of one instance. False: the sums over all instances.
    pub per_instance: bool,
    /// Watched database whose limit bounds the connections of all instances.
    pub database: Option<String>,
    /// Largest number of connections of all instances together.
    pub connections_max: Option<u32>,
    /// Present time limit of the wait for a connection, milliseconds.
    #[serde(rename = "timeout", deserialize_with = "optional_millis")]
    pub timeout_ms: Option<i64>,
    /// Time limit of the caller, milliseconds; a wait beyond it serves nobody.
    #[serde(rename = "deadline", deserialize_with = "optional_millis")]
    pub deadline_ms: Option<i64>,
    /// Age at which the pool closes a connection, milliseconds; none: never.
    #[serde(rename = "recycle", deserialize_with = "optional_millis")]
    pub recycle_ms: Option<i64>,
    /// Whether the pool checks a connection before it is used.
    pub pre_ping: bool,
    /// Step of the history, milliseconds.
    #[serde(rename = "step", deserialize_with = "millis")]
    pub step_ms: i64,
    /// Span of the history, milliseconds.
    #[serde(rename = "history", deserialize_with = "millis")]
    pub history_ms: i64,
    /// Range over which the rates of histograms are taken, milliseconds; at least two scrapes.
    #[serde(rename = "window", deserialize_with = "millis")]
    pub window_ms: i64,
    /// Length of a day of the load, milliseconds: 24 hours except for sped-up replays.
    #[serde(rename = "day", deserialize_with = "millis")]
    pub day_ms: i64,
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self::new("")
    }
}

impl AdvisorSpec for PoolSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("pool", &["name", "in_use", "arrivals", "hold", "size"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        let exprs = [
            ("in_use", Some(&self.in_use)),
            ("arrivals", Some(&self.arrivals)),
            ("hold", Some(&self.hold)),
            ("wait", self.wait.as_ref()),
            ("open", self.open.as_ref()),
        ];
        for (key, expr) in exprs {
            check_expr(expr.map(String::as_str)).map_err(|message| format!("{key}: {message}"))?;
        }
        self.size.check("size", 1.0)?;
        self.instances.check("instances", 1.0)?;
        self.overflow.as_ref().map_or(Ok(()), |overflow| overflow.check("overflow", 0.0))?;
        if let Some(wait) = &self.wait
            && super::facts::histogram_selector(wait).is_none()
        {
            return Err(format!(
                "wait is {wait:?}; write the name of a histogram, such as db_pool_wait_seconds{{pool=\"app\"}}"
            ));
        }
        for (key, value) in [("instances_max", self.instances_max), ("connections_max", self.connections_max)] {
            if value == Some(0) {
                return Err(format!("{key} is 0; write at least 1"));
            }
        }
        if self.instances_max.is_some() && self.workload.is_some() {
            return Err("instances_max and workload are both given; write one".to_owned());
        }
        if self.window_ms < self.step_ms {
            return Err(format!(
                "window is {}; it is at least the step of {}",
                duration_text(self.window_ms),
                duration_text(self.step_ms)
            ));
        }
        if self.history_ms < 60 * self.step_ms {
            return Err("history is shorter than sixty steps, which is too short to learn from".to_owned());
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let shape = match super::facts::histogram_selector(&self.hold) {
            Some(_) => "the distribution of",
            None => "the mean of",
        };
        let overflow =
            self.overflow.as_ref().map_or_else(String::new, |overflow| format!(" and {} of overflow", overflow.text()));
        let bound = match (&self.database, self.connections_max) {
            (Some(database), Some(most)) => {
                format!("The limit of the database {database}, and {most} connections, bound all instances together.")
            }
            (Some(database), None) => format!("The limit of the database {database} bounds all instances together."),
            (None, Some(most)) => format!("All instances together have at most {most} connections."),
            (None, None) => "No limit of the database is known without database or connections_max.".to_owned(),
        };
        format!(
            "Recommends the connections of each instance, at present {}{overflow}, from {} and {shape} {} over the last {}, so that 95 % of \
             the checkouts wait at most {}. {bound}",
            self.size.text(),
            self.arrivals,
            self.hold,
            duration_text(self.history_ms),
            duration_text(self.wait_max_ms),
        )
    }

    fn references(&self) -> Vec<(&'static str, &str)> {
        let workload = self.workload.as_deref().map(|name| ("workload", name));
        let database = self.database.as_deref().map(|name| ("database", name));
        workload.into_iter().chain(database).collect()
    }
}

impl PoolSpec {
    /// Creates a pool of this name with one-minute steps, a week of history, one instance of ten connections and a wait of
    /// at most 50 ms.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            in_use: String::new(),
            arrivals: String::new(),
            hold: String::new(),
            wait: None,
            open: None,
            size: Amount::Number(10.0),
            overflow: None,
            wait_max_ms: 50,
            instances: Amount::Number(1.0),
            instances_max: None,
            workload: None,
            per_instance: false,
            database: None,
            connections_max: None,
            timeout_ms: None,
            deadline_ms: None,
            recycle_ms: None,
            pre_ping: false,
            step_ms: MINUTE_MS,
            history_ms: 7 * DAY_MS,
            window_ms: 5 * MINUTE_MS,
            day_ms: DAY_MS,
        }
    }

    /// Returns the longest acceptable wait in seconds.
    #[must_use]
    pub fn wait_max(&self) -> f64 {
        seconds(self.wait_max_ms)
    }
}

/// Converts milliseconds to seconds.
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::advise::read_specs;

    fn table(more: &[(&str, serde_json::Value)]) -> serde_json::Value {
        let mut table = json!({
            "name": "app", "in_use": "sum(db_pool_in_use)", "arrivals": "sum(rate(db_pool_checkouts_total[1m]))",
            "hold": "db_pool_hold_seconds{job=\"api\"}", "size": 20, "overflow": 30, "wait_max": "50ms",
        });
        for (key, value) in more {
            table[*key] = value.clone();
        }
        table
    }

    #[test]
    fn a_section_is_read_and_explained() {
        let more = [("size", json!("max(db_pool_size)")), ("database", json!("app")), ("timeout", json!("30s"))];
        let specs = read_specs::<PoolSpec>(&[table(&more)], None).unwrap();
        assert_eq!(specs[0].size, Amount::Expr("max(db_pool_size)".to_owned()));
        assert_eq!((specs[0].timeout_ms, specs[0].per_instance), (Some(30_000), false));
        assert_eq!(
            specs[0].explain(),
            "Recommends the connections of each instance, at present max(db_pool_size) and 30 of overflow, from \
             sum(rate(db_pool_checkouts_total[1m])) and the distribution of db_pool_hold_seconds{job=\"api\"} over the last 7d, so that 95 % of \
             the checkouts wait at most 50ms. The limit of the database app bounds all instances together."
        );
    }

    #[test]
    fn an_invalid_section_says_what_would_be_right() {
        let check = |key: &str, value: serde_json::Value, expected: &str| {
            let message = read_specs::<PoolSpec>(&[table(&[(key, value)])], None).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        };
        check("size", json!(0), "size is 0; write a whole number from 1");
        check("size", json!(2.5), "size is 2.5");
        check("overflow", json!(-1), "overflow is -1; write a whole number from 0");
        check("instances", json!("sum("), "instances: ");
        check("hold", json!("rate("), "hold: ");
        check("wait", json!("sum(x)"), "write the name of a histogram");
        check("connections_max", json!(0), "connections_max is 0");
        check("window", json!("30s"), "window is 30s; it is at least the step of 1m");
        check("history", json!("30m"), "history is shorter than sixty steps");
        check("wait_max", json!("0s"), "zero");
        check("pool_size", json!(3), "unknown field");
        let both = [("workload", json!("api")), ("instances_max", json!(3))];
        assert!(read_specs::<PoolSpec>(&[table(&both)], None).unwrap_err().message.contains("write one"));
    }
}
