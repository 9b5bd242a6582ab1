//! Finds correlated pairs of signals and caches, and the lag between them. Reads scores and cache events, writes the
//! rows of `correlations`.

use std::collections::BTreeMap;

use almanac_models::{Timestamp, correlation::lagged_correlation};
use polars::prelude::{Column, DataFrame, DataFrameJoinOps};

use crate::{
    learn::LearnError,
    store::{
        Store,
        rows::{AnomalyRow, CacheEvent, CacheOp, CorrelationRow, EventFilter, RowFilter},
    },
};

/// Span of the compared values, in milliseconds.
const SPAN_MS: i64 = 7 * 86_400_000;
/// Step of the compared points, in milliseconds: most signals are learned at steps of up to five minutes.
const STEP_MS: i64 = 300_000;
/// Maximum lag between two series, in steps.
const MAX_LAG: usize = 6;
/// Minimum absolute correlation coefficient of a stored pair.
const COEFFICIENT_MIN: f64 = 0.5;
/// Maximum number of compared series; the cost grows with its square.
const SERIES_MAX: usize = 120;
/// Maximum number of cache events that are read.
const EVENTS_MAX: usize = 2_000_000;

/// Name of the time column of a frame.
const TIME_COLUMN: &str = "timestamp";

/// Correlates every pair of signals and caches over the last week, stores the correlated pairs and returns their
/// number.
///
/// The series of a signal is the deviation of its values from the expected values, in half-widths of the band. A daily
/// season that two signals share is therefore not a correlation. The series of a cache are its reads and its writes.
///
/// # Errors
/// [`LearnError::Store`], [`LearnError::Frame`].
pub(in crate::learn) fn correlate(store: &Store, now: Timestamp) -> Result<usize, LearnError> {
    let end_ms = now.millis().div_euclid(STEP_MS) * STEP_MS;
    let start = Timestamp::from_millis(end_ms.saturating_sub(SPAN_MS));
    let scores = store.anomalies(&RowFilter { start: Some(start), end: Some(now), ..RowFilter::default() })?;
    let events = EventFilter { start: Some(start), end: Some(now), limit: Some(EVENTS_MAX), ..EventFilter::default() };
    let mut series = deviations(&scores);
    series.extend(cache_loads(&store.cache_events(&events)?, start.millis(), end_ms));
    if series.len() > SERIES_MAX {
        tracing::info!(compared = SERIES_MAX, known = series.len(), "too many signals to correlate all of them");
        series.truncate(SERIES_MAX);
    }
    let frame = align(start.millis(), end_ms, &series)?;
    let rows = correlated_pairs(&frame, start, Timestamp::from_millis(end_ms))?;
    store.put_correlations(&rows)?;
    Ok(rows.len())
}

/// A named series: name, times in epoch milliseconds, values.
type NamedSeries = (String, Vec<i64>, Vec<f64>);

/// Returns the deviations of each signal from its expected values, in half-widths of its band. `scores` is ordered by
/// signal.
fn deviations(scores: &[AnomalyRow]) -> Vec<NamedSeries> {
    scores
        .chunk_by(|a, b| a.signal == b.signal)
        .map(|run| {
            let known = run.iter().filter_map(|row| {
                let half_width = (row.yhat_upper - row.yhat_lower) / 2.0;
                let deviation = (row.value - row.yhat) / half_width;
                (half_width > 0.0 && deviation.is_finite()).then_some((row.timestamp.millis(), deviation))
            });
            let (instants, values) = known.unzip();
            (run[0].signal.clone(), instants, values)
        })
        .collect()
}

/// Counts reads and writes of each cache per step, and subtracts the mean of the same hour of the day.
fn cache_loads(events: &[CacheEvent], start_ms: i64, end_ms: i64) -> Vec<NamedSeries> {
    let steps = usize::try_from((end_ms - start_ms) / STEP_MS).unwrap_or(0);
    let mut counts: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for event in events {
        let operation = match event.op {
            CacheOp::Get => "reads",
            CacheOp::Write => "writes",
            CacheOp::Delete => continue,
        };
        let step = usize::try_from((event.timestamp.millis() - start_ms).div_euclid(STEP_MS));
        let counted = counts.entry((&event.cache, operation)).or_insert_with(|| vec![0.0; steps]);
        if let Some(count) = step.ok().and_then(|step| counted.get_mut(step)) {
            *count += 1.0;
        }
    }
    let instants: Vec<i64> =
        (0..steps).filter_map(|step| i64::try_from(step).ok()).map(|step| start_ms + step * STEP_MS).collect();
    let series = counts.into_iter().map(|((cache, operation), mut values)| {
        subtract_daily_mean(&instants, &mut values);
        (format!("cache {cache} {operation}"), instants.clone(), values)
    });
    series.collect()
}

/// Subtracts the mean of each hour of the day, so that a common daily season is not a correlation.
fn subtract_daily_mean(instants: &[i64], values: &mut [f64]) {
    let hour = |at: i64| usize::try_from(at.rem_euclid(86_400_000) / 3_600_000).unwrap_or(0);
    let mut sums = [(0.0, 0_u32); 24];
    for (&at, value) in instants.iter().zip(values.iter()) {
        let (sum, count) = &mut sums[hour(at)];
        *sum += value;
        *count += 1;
    }
    for (&at, value) in instants.iter().zip(values) {
        let (sum, count) = sums[hour(at)];
        *value -= sum / f64::from(count.max(1));
    }
}

/// Joins the series into a frame with a row for each step and a column for each series; null where a series has no
/// value.
fn align(start_ms: i64, end_ms: i64, series: &[NamedSeries]) -> Result<DataFrame, LearnError> {
    let grid: Vec<i64> =
        std::iter::successors(Some(start_ms), |at| Some(at + STEP_MS)).take_while(|at| *at <= end_ms).collect();
    let mut wide = DataFrame::new_infer_height(vec![Column::new(TIME_COLUMN.into(), grid)])?;
    for (name, instants, values) in series {
        let one = DataFrame::new_infer_height(vec![
            Column::new(TIME_COLUMN.into(), instants),
            Column::new(name.into(), values),
        ])?;
        wide = wide.left_join(&one, [TIME_COLUMN], [TIME_COLUMN])?;
    }
    Ok(wide)
}

/// Returns a row for each pair of correlated columns.
fn correlated_pairs(frame: &DataFrame, start: Timestamp, end: Timestamp) -> Result<Vec<CorrelationRow>, LearnError> {
    let mut columns = Vec::new();
    for column in frame.columns().iter().filter(|column| column.name() != TIME_COLUMN) {
        let values: Vec<f64> = column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        columns.push((column.name().to_string(), values));
    }
    let mut rows = Vec::new();
    for (idx, (first, a)) in columns.iter().enumerate() {
        for (second, b) in &columns[idx + 1..] {
            let Some(found) = lagged_correlation(a, b, MAX_LAG, COEFFICIENT_MIN) else { continue };
            // An interval that contains 0 does not exclude that the series are uncorrelated.
            if found.lower <= 0.0 && found.upper >= 0.0 {
                continue;
            }
            // A negative lag means that the second series precedes the first.
            let (leader, follower) = if found.lag < 0 { (second, first) } else { (first, second) };
            rows.push(CorrelationRow {
                leader: leader.clone(),
                follower: follower.clone(),
                lag_ms: found.lag.abs() * STEP_MS,
                correlation: found.coefficient,
                lower: found.lower,
                upper: found.upper,
                points: found.points as u64,
                started_at: start,
                ended_at: end,
            });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::AnomalyKind;

    const NOW: i64 = 1_767_571_200_000;

    /// Returns pseudo-random noise between -0.5 and 0.5: a multiplicative hash of the step.
    fn noise(step: i64, seed: i64) -> f64 {
        let mixed = step.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) & 0xffff_ffff;
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) & 0xffff_ffff;
        mixed as f64 / 4_294_967_296.0 - 0.5
    }

    fn scored(signal: &str, deviation: impl Fn(i64) -> f64) -> Vec<AnomalyRow> {
        (0..500_i64)
            .map(|step| AnomalyRow {
                signal: signal.to_owned(),
                timestamp: Timestamp::from_millis(NOW - (500 - step) * STEP_MS),
                value: 10.0 + 2.0 * deviation(step),
                yhat: 10.0,
                yhat_lower: 8.0,
                yhat_upper: 12.0,
                score: deviation(step).abs(),
                kind: AnomalyKind::Value,
            })
            .collect()
    }

    #[test]
    fn the_lagging_series_is_the_follower() {
        let mut scores = scored("api_p95", |step| 3.0 * noise(step - 2, 1));
        scores.extend(scored("db_locks", |step| 2.0 * noise(step, 1)));
        scores.extend(scored("unrelated", |step| noise(step, 77)));
        let (start, end) = (NOW - SPAN_MS, NOW);
        let frame = align(start, end, &deviations(&scores)).unwrap();
        assert_eq!((frame.width(), frame.height()), (4, 2_017));
        let rows = correlated_pairs(&frame, Timestamp::from_millis(start), Timestamp::from_millis(end)).unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].leader.as_str(), rows[0].follower.as_str()), ("db_locks", "api_p95"));
        assert_eq!(rows[0].lag_ms, 2 * STEP_MS);
        assert!(rows[0].lower > 0.9, "{rows:?}");
    }

    #[test]
    fn a_common_daily_season_is_not_a_correlation() {
        let start = NOW - SPAN_MS;
        let mut events = Vec::new();
        for minute in 0..SPAN_MS / 60_000 {
            let is_busy = (minute % 1_440) / 60 < 12;
            for (cache, seed) in [("profile", 3), ("calendar", 5)] {
                if is_busy || noise(minute, seed) > 0.3 {
                    events.push(CacheEvent {
                        timestamp: Timestamp::from_millis(start + minute * 60_000),
                        cache: cache.to_owned(),
                        key: (minute * seed).to_string(),
                        op: CacheOp::Get,
                        bytes: None,
                        miss_cost_ms: None,
                    });
                }
            }
        }
        let loads = cache_loads(&events, start, NOW);
        assert_eq!(
            loads.iter().map(|load| load.0.as_str()).collect::<Vec<_>>(),
            ["cache calendar reads", "cache profile reads"]
        );
        let frame = align(start, NOW, &loads).unwrap();
        let rows = correlated_pairs(&frame, Timestamp::from_millis(start), Timestamp::from_millis(NOW)).unwrap();
        assert!(rows.is_empty(), "{rows:?}");
    }
}
