//! Specification of a statement that writes several rows, in the configuration.

use serde::Deserialize;

use super::source::{count_expr, sum_expr};
use crate::advise::{
    AdvisorSpec,
    kit::{Section, check_expr, duration_text, millis, optional_millis},
};

/// Default of the longest time of a statement, in milliseconds.
const LATENCY_MAX_MS: i64 = 1_000;
/// Default of the step, in milliseconds.
const STEP_MS: i64 = 300_000;
/// Shortest step, in milliseconds: counters are stored each second at most.
const STEP_MIN_MS: i64 = 2_000;

/// A statement that writes several rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSpec {
    /// Name in recommendations.
    pub name: String,
    /// Histogram of the rows of a statement.
    pub rows: Option<String>,
    /// Histogram of a statement's seconds.
    pub seconds: Option<String>,
    /// Watched database, in place of histograms.
    pub database: Option<String>,
    /// Table of that database whose INSERT statements are meant.
    pub table: Option<String>,
    /// Present rows of a statement; none: the mean.
    pub size: Option<f64>,
    /// 95th percentile of a statement's time that is allowed, in milliseconds.
    #[serde(rename = "latency_max", deserialize_with = "millis")]
    pub latency_max_ms: i64,
    /// Longest time that the statement may hold the locks of its rows, in milliseconds; none: not limited.
    #[serde(rename = "lock_max", deserialize_with = "optional_millis")]
    pub lock_max_ms: Option<i64>,
    /// Longest time that a row may wait until its batch is full, in milliseconds; none: rows are there at once.
    #[serde(rename = "wait_max", deserialize_with = "optional_millis")]
    pub wait_max_ms: Option<i64>,
    /// Bind parameters of a row; PostgreSQL allows 65,535 in a statement.
    pub columns: Option<u32>,
    /// Step over which rows and times are averaged, in milliseconds; at least two scrapes.
    #[serde(rename = "step", deserialize_with = "millis")]
    pub step_ms: i64,
}

impl Default for BatchSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            rows: None,
            seconds: None,
            database: None,
            table: None,
            size: None,
            latency_max_ms: LATENCY_MAX_MS,
            lock_max_ms: None,
            wait_max_ms: None,
            columns: None,
            step_ms: STEP_MS,
        }
    }
}

impl AdvisorSpec for BatchSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("batch", &["name"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        match (&self.rows, &self.seconds, &self.database, &self.table) {
            (Some(_), Some(_), None, None) | (None, None, Some(_), Some(_)) => {}
            _ => {
                return Err("give either rows and seconds, the histograms of a statement's rows and time, or database and table".to_owned());
            }
        }
        for (key, histogram) in [("rows", &self.rows), ("seconds", &self.seconds)] {
            let Some(histogram) = histogram else { continue };
            for expr in [sum_expr(histogram, "5m"), count_expr(histogram, "5m")] {
                check_expr(Some(&expr)).map_err(|message| {
                    format!(
                        "{key} is {histogram:?}; write the name of a histogram, with a selector if needed: {message}"
                    )
                })?;
            }
        }
        if let Some(size) = self.size.filter(|size| !(*size >= 1.0 && size.is_finite())) {
            return Err(format!("size is {size}; a statement has at least 1 row"));
        }
        if self.step_ms < STEP_MIN_MS {
            return Err(format!(
                "step is {}; write at least two scrapes, and at least 2s",
                duration_text(self.step_ms)
            ));
        }
        if self.columns == Some(0) {
            return Err("columns is 0; a row has at least 1 bind parameter, or leave the key out".to_owned());
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let from = match (&self.rows, &self.seconds, &self.database, &self.table) {
            (Some(rows), Some(seconds), ..) => format!("the histograms {rows} and {seconds}"),
            (.., Some(database), Some(table)) => format!("the INSERT statements on {table} of the database {database}"),
            _ => "nothing".to_owned(),
        };
        let limits = [("held locks up to", self.lock_max_ms), ("rows waiting up to", self.wait_max_ms)];
        let further: String =
            limits.iter().filter_map(|(what, ms)| ms.map(|ms| format!(", {what} {}", duration_text(ms)))).collect();
        format!(
            "Recommends the rows of a statement from {from}, with a 95th percentile of at most {}{further}.",
            duration_text(self.latency_max_ms)
        )
    }

    fn references(&self) -> Vec<(&'static str, &str)> {
        self.database.as_deref().map(|name| ("database", name)).into_iter().collect()
    }
}
