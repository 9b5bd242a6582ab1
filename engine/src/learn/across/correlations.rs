//! Which signals and caches move together, and which of two moves first. Reads scores and cache events, writes `correlations`.

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

/// How far back values are compared.
const BACK_MS: i64 = 7 * 86_400_000;
/// Distance of the compared points: signals are learned at steps of up to five minutes as a rule.
const STEP_MS: i64 = 300_000;
/// Steps by which one may follow the other.
const LAGS: usize = 6;
/// Coefficients below this in absolute value are not stored.
const LEAST: f64 = 0.5;
/// Series that are compared with each other; the cost grows with their square.
const SERIES_MAX: usize = 120;
/// Cache events that are read.
const EVENTS_MAX: usize = 2_000_000;

/// The column of a frame that holds the instants.
const INSTANT: &str = "timestamp";

/// Compares every two signals and caches over the last week and stores those that move together. Answers their number.
///
/// A signal is compared by how far its values are from what was expected, in half-widths of its band, so that a common daily
/// season is no correlation. A cache is compared by its reads and its writes.
///
/// # Errors
/// [`LearnError::Store`], [`LearnError::Frame`].
pub(in crate::learn) fn correlate(store: &Store, now: Timestamp) -> Result<usize, LearnError> {
    let end_ms = now.millis().div_euclid(STEP_MS) * STEP_MS;
    let start = Timestamp::from_millis(end_ms.saturating_sub(BACK_MS));
    let scores = store.anomalies(&RowFilter { start: Some(start), end: Some(now), ..RowFilter::default() })?;
    let events = EventFilter { start: Some(start), end: Some(now), limit: Some(EVENTS_MAX), ..EventFilter::default() };
    let mut series = departures(&scores);
    series.extend(cache_loads(&store.cache_events(&events)?, start.millis(), end_ms));
    if series.len() > SERIES_MAX {
        tracing::info!(compared = SERIES_MAX, known = series.len(), "not all signals are compared with each other");
        series.truncate(SERIES_MAX);
    }
    let frame = align(start.millis(), end_ms, &series)?;
    let rows = pairs(&frame, start, Timestamp::from_millis(end_ms))?;
    store.put_correlations(&rows)?;
    Ok(rows.len())
}

/// One series of points: its name, instants in milliseconds, values.
type Points = (String, Vec<i64>, Vec<f64>);

/// How far each signal was from what was expected, in half-widths of its band.
fn departures(scores: &[AnomalyRow]) -> Vec<Points> {
    scores
        .chunk_by(|a, b| a.signal == b.signal)
        .map(|run| {
            let known = run.iter().filter_map(|row| {
                let half_width = (row.yhat_upper - row.yhat_lower) / 2.0;
                let departure = (row.value - row.yhat) / half_width;
                (half_width > 0.0 && departure.is_finite()).then_some((row.timestamp.millis(), departure))
            });
            let (instants, values) = known.unzip();
            (run[0].signal.clone(), instants, values)
        })
        .collect()
}

/// Reads and writes of each cache per step, less the mean of their hour of the day.
fn cache_loads(events: &[CacheEvent], start_ms: i64, end_ms: i64) -> Vec<Points> {
    let steps = usize::try_from((end_ms - start_ms) / STEP_MS).unwrap_or(0);
    let mut counts: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for event in events {
        let what = match event.op {
            CacheOp::Get => "reads",
            CacheOp::Write => "writes",
            CacheOp::Delete => continue,
        };
        let step = usize::try_from((event.timestamp.millis() - start_ms).div_euclid(STEP_MS));
        let counted = counts.entry((&event.cache, what)).or_insert_with(|| vec![0.0; steps]);
        if let Some(count) = step.ok().and_then(|step| counted.get_mut(step)) {
            *count += 1.0;
        }
    }
    let instants: Vec<i64> =
        (0..steps).filter_map(|step| i64::try_from(step).ok()).map(|step| start_ms + step * STEP_MS).collect();
    let series = counts.into_iter().map(|((cache, what), mut values)| {
        subtract_daily_mean(&instants, &mut values);
        (format!("cache {cache} {what}"), instants.clone(), values)
    });
    series.collect()
}

/// Takes the mean of each hour of the day from its values: two series that share a day are not therefore related.
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

/// A frame with a row for each step and a column for each series; null where a series has no value at that instant.
fn align(start_ms: i64, end_ms: i64, series: &[Points]) -> Result<DataFrame, LearnError> {
    let grid: Vec<i64> =
        std::iter::successors(Some(start_ms), |at| Some(at + STEP_MS)).take_while(|at| *at <= end_ms).collect();
    let mut wide = DataFrame::new_infer_height(vec![Column::new(INSTANT.into(), grid)])?;
    for (name, instants, values) in series {
        let one =
            DataFrame::new_infer_height(vec![Column::new(INSTANT.into(), instants), Column::new(name.into(), values)])?;
        wide = wide.left_join(&one, [INSTANT], [INSTANT])?;
    }
    Ok(wide)
}

/// The pairs of columns that move together.
fn pairs(frame: &DataFrame, start: Timestamp, end: Timestamp) -> Result<Vec<CorrelationRow>, LearnError> {
    let mut columns = Vec::new();
    for column in frame.columns().iter().filter(|column| column.name() != INSTANT) {
        let values: Vec<f64> = column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        columns.push((column.name().to_string(), values));
    }
    let mut rows = Vec::new();
    for (idx, (first, a)) in columns.iter().enumerate() {
        for (second, b) in &columns[idx + 1..] {
            let Some(found) = lagged_correlation(a, b, LAGS, LEAST) else { continue };
            if found.lower <= 0.0 && found.upper >= 0.0 {
                continue;
            }
            // The one that moves first is named first.
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

    /// Departures without a pattern: a multiplicative hash of the step.
    fn noise(step: i64, seed: i64) -> f64 {
        let mixed = step.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) & 0xffff_ffff;
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) & 0xffff_ffff;
        mixed as f64 / 4_294_967_296.0 - 0.5
    }

    fn scored(signal: &str, departure: impl Fn(i64) -> f64) -> Vec<AnomalyRow> {
        (0..500_i64)
            .map(|step| AnomalyRow {
                signal: signal.to_owned(),
                timestamp: Timestamp::from_millis(NOW - (500 - step) * STEP_MS),
                value: 10.0 + 2.0 * departure(step),
                yhat: 10.0,
                yhat_lower: 8.0,
                yhat_upper: 12.0,
                score: departure(step).abs(),
                kind: AnomalyKind::Value,
            })
            .collect()
    }

    #[test]
    fn what_follows_is_named_second_with_its_delay() {
        let mut scores = scored("api_p95", |step| 3.0 * noise(step - 2, 1));
        scores.extend(scored("db_locks", |step| 2.0 * noise(step, 1)));
        scores.extend(scored("unrelated", |step| noise(step, 77)));
        let (start, end) = (NOW - BACK_MS, NOW);
        let frame = align(start, end, &departures(&scores)).unwrap();
        assert_eq!((frame.width(), frame.height()), (4, 2_017));
        let rows = pairs(&frame, Timestamp::from_millis(start), Timestamp::from_millis(end)).unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].leader.as_str(), rows[0].follower.as_str()), ("db_locks", "api_p95"));
        assert_eq!(rows[0].lag_ms, 2 * STEP_MS);
        assert!(rows[0].lower > 0.9, "{rows:?}");
    }

    #[test]
    fn a_shared_day_is_no_correlation() {
        let start = NOW - BACK_MS;
        let mut events = Vec::new();
        for minute in 0..BACK_MS / 60_000 {
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
        let rows = pairs(&frame, Timestamp::from_millis(start), Timestamp::from_millis(NOW)).unwrap();
        assert!(rows.is_empty(), "{rows:?}");
    }
}
