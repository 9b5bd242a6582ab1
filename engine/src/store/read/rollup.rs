//! Reads series from rollups, one point per step, for panels over months.

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type, UInt32Type},
};

use super::{for_each_batch, instant, select};
use crate::{
    series::{Matcher, Part, SeriesId, SeriesSamples},
    store::{StoreError, index, shared::Shared},
};

/// The value of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollupValue {
    /// Mean of the samples, for gauges.
    Mean,
    /// Newest sample, for counters.
    Last,
}

/// Width of the buckets that are read, in milliseconds.
pub const ROLLUP_MS: i64 = 3_600_000;

/// Maximum number of series that a statement lists by number.
const LISTED_SERIES: usize = 2_000;

/// Returns one point per series and step of `step_ms` in which it has samples. Its timestamp is the end of the step, a
/// multiple of `step_ms`. Steps after the newest rollup are computed from samples.
///
/// # Errors
/// [`StoreError::TooManySamples`] if more than `limit` points or samples are read.
pub(in crate::store) fn rollups(
    shared: &Shared,
    matchers: &[Matcher],
    value: RollupValue,
    (start, end): (i64, i64),
    step_ms: i64,
    limit: usize,
) -> Result<Vec<SeriesSamples>, StoreError> {
    // The step that ends at or after the start, from its beginning.
    let start = start.saturating_sub(1).div_euclid(step_ms).saturating_mul(step_ms);
    let ids = index::select(&shared.registry, matchers);
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Vec::new()) };
    let listed = if ids.len() > LISTED_SERIES {
        String::new()
    } else {
        let list: Vec<String> = ids.iter().map(u32::to_string).collect();
        format!("series_id IN ({}) AND", list.join(","))
    };
    // Integer division rounds towards zero; timestamps before 1970 are no telemetry.
    let aggregate = match value {
        RollupValue::Mean => "sum(sum) / sum(count)",
        RollupValue::Last => "arg_max(last, timestamp)",
    };
    let sql = format!(
        "SELECT series_id, (epoch_ms(timestamp) // {step_ms} + 1) * {step_ms} AS step_end, {aggregate} AS value,
             max(epoch_ms(timestamp)) AS newest
         FROM store.rollup_1h
         WHERE {listed} series_id BETWEEN {first} AND {last} AND timestamp BETWEEN {} AND {} AND count > 0
         GROUP BY ALL ORDER BY series_id, step_end",
        instant(start),
        instant(end.saturating_sub(ROLLUP_MS)),
    );
    let (mut found, mut newest, mut points) = (Vec::<(u32, Vec<i64>, Vec<f64>)>::new(), None, 0_usize);
    shared.readers.with(|connection| {
        for_each_batch(connection, &sql, |batch| {
            let series = batch.column(0).as_primitive::<UInt32Type>().values();
            let [at, bucket] = [1, 3].map(|column| batch.column(column).as_primitive::<Int64Type>().values());
            let values = batch.column(2).as_primitive::<Float64Type>().values();
            points += batch.num_rows();
            if points > limit {
                return Err(StoreError::TooManySamples { limit });
            }
            for (row, &id) in series.iter().enumerate() {
                newest = newest.max(Some(bucket[row]));
                match found.last_mut() {
                    Some((last, timestamps, values_of)) if *last == id => {
                        timestamps.push(at[row]);
                        values_of.push(values[row]);
                    }
                    _ => found.push((id, vec![at[row]], vec![values[row]])),
                }
            }
            Ok(())
        })
    })?;
    found.retain(|(id, ..)| ids.binary_search(id).is_ok());
    // The step that the newest rollup is in is computed again, from all of its samples.
    let fresh_from = newest.map_or(start, |bucket| bucket.div_euclid(step_ms) * step_ms);
    let mut series = labelled(shared, found, fresh_from);
    merge(
        &mut series,
        select(shared, matchers, (fresh_from, end.saturating_sub(1)), limit, Part::All)?,
        value,
        step_ms,
    );
    Ok(series)
}

/// Adds labels, and drops the steps that begin at `fresh_from` or later.
fn labelled(shared: &Shared, found: Vec<(u32, Vec<i64>, Vec<f64>)>, fresh_from: i64) -> Vec<SeriesSamples> {
    let registry = shared.registry.read();
    let mut series: Vec<SeriesSamples> = found
        .into_iter()
        .filter_map(|(id, mut timestamps, mut values)| {
            let kept = timestamps.partition_point(|at| *at <= fresh_from);
            timestamps.truncate(kept);
            values.truncate(kept);
            Some(SeriesSamples { labels: registry.labels(SeriesId::new(id))?, timestamps, values })
        })
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}

/// Appends the steps of newer samples to the series with the same labels. Both are sorted by labels.
fn merge(series: &mut Vec<SeriesSamples>, fresh: Vec<SeriesSamples>, value: RollupValue, step_ms: i64) {
    for one in fresh {
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        let known: Vec<(i64, f64)> =
            one.timestamps.iter().copied().zip(one.values).filter(|(_, value)| !value.is_nan()).collect();
        for step in known.chunk_by(|a, b| a.0.div_euclid(step_ms) == b.0.div_euclid(step_ms)) {
            timestamps.push((step[0].0.div_euclid(step_ms) + 1) * step_ms);
            #[expect(clippy::cast_precision_loss, reason = "a step has fewer than 2^53 samples")]
            let mean = || step.iter().map(|(_, value)| value).sum::<f64>() / step.len() as f64;
            values.push(match value {
                RollupValue::Mean => mean(),
                RollupValue::Last => step[step.len() - 1].1,
            });
        }
        match series.binary_search_by(|other| other.labels.cmp(&one.labels)) {
            Ok(at) => {
                series[at].timestamps.extend(timestamps);
                series[at].values.extend(values);
            }
            Err(at) => series.insert(at, SeriesSamples { labels: one.labels, timestamps, values }),
        }
    }
    series.retain(|one| !one.timestamps.is_empty());
}
