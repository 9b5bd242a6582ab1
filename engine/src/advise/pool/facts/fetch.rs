//! Reads the facts of a pool from the store. Called by `advisor`.

use almanac_models::Timestamp;

use super::{
    ConnectionLimit, Foreseen, HistogramSeries, histogram_selector,
    limit::{connection_limit, foreseen},
    read_histogram,
};
use crate::{
    advise::{
        FetchError, Need,
        kit::{HistoryError, align, grid, one_series, one_value, usable},
        pool::{PoolSpec, spec::Amount, spec::seconds},
    },
    store::Store,
};

/// Hold times of a pool.
#[derive(Debug, Clone, PartialEq)]
pub enum Holds {
    /// Their distribution at each step.
    Histogram(HistogramSeries),
    /// Only their mean at each step of the facts, seconds; NaN if unknown.
    Mean(Vec<f64>),
}

/// What the metrics of a pool show, and what bounds its connections.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolFacts {
    /// Epoch milliseconds of each step.
    pub timestamps: Vec<i64>,
    /// Checkouts per second of one instance at each step; NaN if unknown.
    pub arrivals: Vec<f64>,
    /// Connections in use of one instance at each step; NaN if unknown.
    pub in_use: Vec<f64>,
    /// Instances at each step, at least 1.
    pub instances: Vec<f64>,
    /// Hold times.
    pub holds: Holds,
    /// Measured waits, if configured and recorded.
    pub waits: Option<HistogramSeries>,
    /// Connections that an instance keeps.
    pub size: u32,
    /// Connections that it may open beyond them; none: the pool has no overflow.
    pub overflow: Option<u32>,
    /// Most instances that are expected.
    pub foreseen: Foreseen,
    /// Bound of the connections of all instances, if one is configured.
    pub limit: Option<ConnectionLimit>,
    /// Time after which the database closes an idle session, seconds; none: never, or unknown.
    pub session_timeout: Option<f64>,
    /// Share of the time with an open statement or transaction in which sessions of the database waited for the application
    /// in it; none if unknown.
    pub idle_in_transaction: Option<f64>,
}

impl PoolFacts {
    /// Returns the connections that an instance may have at present.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.size + self.overflow.unwrap_or(0)
    }

    /// Returns the mean hold time at each step, seconds; NaN if unknown.
    #[must_use]
    pub fn hold_means(&self) -> Vec<f64> {
        match &self.holds {
            Holds::Mean(means) => means.clone(),
            Holds::Histogram(series) => {
                let at = |at_ms: &i64| series.at(*at_ms).and_then(|step| series.mean(std::iter::once(step)));
                self.timestamps.iter().map(|at_ms| at(at_ms).unwrap_or(f64::NAN)).collect()
            }
        }
    }
}

/// Reads the facts of a pool up to `now`.
///
/// # Errors
/// [`FetchError`] when an expression has no values, returns several series, or the history ended.
pub(in crate::advise::pool) fn fetch(store: &Store, spec: &PoolSpec, now: Timestamp) -> Result<PoolFacts, FetchError> {
    let points = |expr: &str| one_series(store, expr, spec.step_ms, spec.history_ms, now);
    let arrivals = points(&spec.arrivals)?;
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        return Err(no_values("arrivals", &spec.arrivals));
    };
    let silent_ms = now.millis() - last.0;
    // A short gap is tolerated; after it, the application is taken to be gone.
    if silent_ms > (spec.day_ms / 24).max(5 * spec.step_ms) {
        let minutes = seconds(silent_ms) / 60.0;
        return Err(missing(format!("`{}` last returned a value {minutes:.0} minutes ago", spec.arrivals), ""));
    }
    let timestamps = grid(first.0, last.0, spec.step_ms);
    let in_use = usable(&points(&spec.in_use)?, &timestamps);
    if in_use.iter().all(|value| value.is_nan()) {
        return Err(no_values("in_use", &spec.in_use));
    }
    let instances = match &spec.instances {
        Amount::Number(number) => vec![*number; timestamps.len()],
        Amount::Expr(expr) => {
            carried(&align(&points(expr)?, &timestamps)).ok_or_else(|| no_values("instances", expr))?
        }
    };
    // A sum over instances that are alike is divided by their number.
    let each = |values: Vec<f64>| -> Vec<f64> {
        if spec.per_instance {
            return values;
        }
        values.iter().zip(&instances).map(|(value, instances)| value / instances).collect()
    };
    let holds = read_holds(store, spec, &timestamps, now)?;
    let waits = match spec.wait.as_deref().and_then(histogram_selector) {
        Some(names) => {
            let found = read_histogram(store, &names, (spec.step_ms, spec.window_ms), spec.history_ms, now)?;
            Some(found.ok_or_else(|| no_values("wait", spec.wait.as_deref().unwrap_or_default()))?)
        }
        None => None,
    };
    let size = count(store, &spec.size, "size", spec, now)?;
    let overflow = spec.overflow.as_ref().map(|overflow| count(store, overflow, "overflow", spec, now)).transpose()?;
    let (arrivals, in_use) = (each(usable(&arrivals, &timestamps)), each(in_use));
    let foreseen = foreseen(store, spec, &instances, now)?;
    let limit = connection_limit(store, spec, (&timestamps, &in_use, &instances), size, now)?;
    let session_timeout = match &spec.database {
        Some(database) => super::limit::session_timeout(store, database)?,
        None => None,
    };
    let idle_in_transaction = match &spec.database {
        // It adds a sentence only.
        Some(database) => super::limit::idle_in_transaction(store, spec, database, now).unwrap_or(None),
        None => None,
    };
    Ok(PoolFacts {
        timestamps,
        arrivals,
        in_use,
        instances,
        holds,
        waits,
        size,
        overflow,
        foreseen,
        limit,
        session_timeout,
        idle_in_transaction,
    })
}

/// Reads the hold times: a histogram by its name, or the mean by PromQL.
fn read_holds(store: &Store, spec: &PoolSpec, timestamps: &[i64], now: Timestamp) -> Result<Holds, FetchError> {
    if let Some(names) = histogram_selector(&spec.hold) {
        let found = read_histogram(store, &names, (spec.step_ms, spec.window_ms), spec.history_ms, now)?;
        let remedy = "hold is the name of a histogram in seconds, or PromQL of the mean such as rate(x_sum[5m]) / rate(x_count[5m]); \
                      `window` must hold at least two scrapes";
        let empty = || missing(format!("`{}` is no histogram with samples in the history", spec.hold), remedy);
        return found
            .filter(|found| found.rates.iter().flatten().sum::<f64>() > 0.0)
            .map(Holds::Histogram)
            .ok_or_else(empty);
    }
    let means = usable(&one_series(store, &spec.hold, spec.step_ms, spec.history_ms, now)?, timestamps);
    if means.iter().all(|mean| !(*mean > 0.0)) {
        return Err(no_values("hold", &spec.hold));
    }
    Ok(Holds::Mean(means))
}

/// Returns a number of connections: the configured one, or that of an expression at `now` or else its last one.
fn count(store: &Store, amount: &Amount, key: &str, spec: &PoolSpec, now: Timestamp) -> Result<u32, FetchError> {
    let value = match amount {
        Amount::Number(number) => *number,
        Amount::Expr(expr) => {
            let last = || -> Result<Option<f64>, HistoryError> {
                Ok(one_series(store, expr, spec.step_ms, spec.history_ms, now)?.last().map(|point| point.1))
            };
            one_value(store, expr, now)?
                .map_or_else(last, |value| Ok(Some(value)))?
                .ok_or_else(|| no_values(key, expr))?
        }
    };
    let least = f64::from(u8::from(key == "size"));
    if !(least..=10_000.0).contains(&value) {
        return Err(missing(format!("{key} is {value}, which is no number of connections"), ""));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(value.round() as u32)
}

/// Carries the last usable number of instances forward, and the first one backward. None without one.
fn carried(values: &[f64]) -> Option<Vec<f64>> {
    let is_usable = |value: &f64| *value >= 1.0 && value.is_finite();
    let mut last = *values.iter().find(|value| is_usable(value))?;
    let carry = |value: &f64| {
        if is_usable(value) {
            last = *value;
        }
        last
    };
    Some(values.iter().map(carry).collect())
}

fn no_values(key: &str, expr: &str) -> FetchError {
    let remedy = format!(
        "correct `{key}`, or send the metric; the range of a rate, such as [1m], must hold at least two scrapes"
    );
    missing(format!("`{expr}` returns no value over the history"), &remedy)
}

/// Creates the error of a missing input.
pub(super) fn missing(missing: String, remedy: &str) -> FetchError {
    FetchError::Missing(Need { missing, remedy: remedy.to_owned() })
}
