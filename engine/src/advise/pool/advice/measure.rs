//! Measures the effect of an applied pool setting. Called by `advisor` for the ledger.

use almanac_models::Timestamp;

use crate::{
    advise::{
        Applied, FetchError,
        kit::judge_mean,
        pool::{
            HistogramSeries, PoolSpec, PoolTerms,
            facts::{PoolFacts, fetch, histogram_selector, read_histogram},
            spec::{IDLE_CONNECTIONS, WAIT_P95, seconds},
        },
    },
    ledger::Measured,
    store::Store,
};

/// Least number of measured waits.
const MIN_WAITS: f64 = 1_000.0;
/// Least number of steps.
const MIN_STEPS: usize = 100;
/// Largest share of the steps in which all connections may be in use.
const FULL_MAX: f64 = 0.05;

/// Measures the promised metric since the application. None before a day of the load has passed, and with few samples.
///
/// `pool_wait_p95` is the bucket of the histogram of waits that contains the quantile; `pool_full_share` and
/// `pool_idle_connections` come from the connections in use. Waits that surely exceed the limit break the promise; without
/// a histogram of waits, a pool all of whose connections are in use for more than 5 % of the steps does.
///
/// # Errors
/// [`FetchError`] when the metrics cannot be read.
pub(in crate::advise::pool) fn measure(
    store: &Store,
    spec: &PoolSpec,
    applied: &Applied<PoolTerms>,
    now: Timestamp,
) -> Result<Option<Measured>, FetchError> {
    let since_ms = now.millis() - applied.at.millis();
    if since_ms < spec.day_ms {
        return Ok(None);
    }
    // Rates of the first steps are of the time before.
    let history_ms = spec.history_ms.min(since_ms - spec.window_ms.min(since_ms / 2));
    let waits = match spec.wait.as_deref().and_then(histogram_selector) {
        Some(names) => read_histogram(store, &names, (spec.step_ms, spec.window_ms), history_ms, now)?,
        None => None,
    };
    let step_s = seconds(spec.step_ms);
    let waits = waits.filter(|waits| total(waits) * step_s >= MIN_WAITS);
    let limit = applied.terms.wait_max;
    if applied.metric == WAIT_P95.name {
        return Ok(waits.as_ref().and_then(|waits| of_waits(waits, limit)));
    }
    // The configuration may still have the former size; only what is in use is read.
    let facts =
        fetch(store, &PoolSpec { history_ms, database: None, workload: None, wait: None, ..spec.clone() }, now)?;
    Ok(of_use(&facts, waits.as_ref(), applied))
}

fn total(waits: &HistogramSeries) -> f64 {
    (0..waits.rates.len()).map(|step| waits.rate(step)).sum()
}

/// Returns the 95 % quantile of the waits: between the bounds of its bucket.
fn of_waits(waits: &HistogramSeries, limit: Option<f64>) -> Option<Measured> {
    let p95 = waits.quantile(0.95, 0..waits.rates.len())?;
    let upper = if p95.upper.is_finite() { p95.upper } else { p95.lower };
    Some(Measured { value: p95.value, lower: p95.lower, upper, broken: too_long(waits, limit) })
}

/// Returns the broken limit of the waits, if they surely exceed it.
fn too_long(waits: &HistogramSeries, limit: Option<f64>) -> Option<String> {
    let p95 = waits.quantile(0.95, 0..waits.rates.len())?;
    let limit = limit.filter(|limit| p95.lower >= *limit)?;
    Some(format!("95 % of the checkouts waited up to more than {} s, the limit is {limit} s", p95.lower))
}

/// Measures the connections in use.
fn of_use(facts: &PoolFacts, waits: Option<&HistogramSeries>, applied: &Applied<PoolTerms>) -> Option<Measured> {
    let PoolTerms { connections, wait_max } = applied.terms;
    let most = f64::from(connections);
    let known: Vec<(f64, f64)> = facts
        .in_use
        .iter()
        .copied()
        .zip(facts.instances.iter().copied())
        .filter(|(used, _)| used.is_finite())
        .collect();
    if known.len() < MIN_STEPS {
        return None;
    }
    let full: Vec<f64> = known.iter().map(|(used, _)| f64::from(u8::from(*used > most - 0.5))).collect();
    let broken = match waits {
        Some(waits) => too_long(waits, wait_max),
        None => judge_mean(&full).filter(|share| wait_max.is_some() && share.lower > FULL_MAX).map(|share| {
            format!("all {connections} connections of an instance were in use {:.1} % of the time", 100.0 * share.value)
        }),
    };
    if applied.metric == IDLE_CONNECTIONS.name {
        let idle: Vec<f64> = known.iter().map(|(used, instances)| instances * (most - used).max(0.0)).collect();
        let idle = judge_mean(&idle)?;
        return Some(Measured { value: idle.value, lower: idle.lower.max(0.0), upper: idle.upper, broken });
    }
    let full = judge_mean(&full)?;
    Some(Measured { value: full.value, lower: full.lower.max(0.0), upper: full.upper.min(1.0), broken })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Direction;

    fn waits(rates: &[f64]) -> HistogramSeries {
        HistogramSeries {
            bounds: vec![0.0, 0.001, 0.01, 0.1, f64::INFINITY],
            timestamps: vec![0],
            rates: vec![rates.to_vec()],
            sums: vec![1.0],
        }
    }

    #[test]
    fn a_wait_beyond_the_limit_breaks_the_promise() {
        let kept = of_waits(&waits(&[90.0, 9.0, 1.0, 0.0]), Some(0.05)).unwrap();
        assert!(kept.lower <= 0.001 && (kept.upper - 0.01).abs() < 1e-12 && kept.broken.is_none(), "{kept:?}");
        // Promised 2 to 4 ms: the bucket from 1 to 10 ms does not contradict.
        assert!(kept.keeps(Direction::Lower, 0.002, 0.004));
        let long = of_waits(&waits(&[10.0, 10.0, 70.0, 10.0]), Some(0.05)).unwrap();
        assert!(long.broken.as_deref().is_some_and(|text| text.contains("the limit is 0.05 s")), "{long:?}");
        assert!(of_waits(&waits(&[10.0, 10.0, 70.0, 10.0]), None).unwrap().broken.is_none());
        assert_eq!(of_waits(&waits(&[0.0; 4]), None), None);
    }
}
