//! Reads native histograms by series and time span.

use crate::{
    series::{Matcher, SeriesHistograms, SeriesId},
    store::{
        StoreError, index,
        read::{for_each_batch, instant},
        rows::histogram::{self, HistogramRow},
        shared::Shared,
    },
};

/// Maximum number of series that a statement lists by number; above it a range of numbers is read and filtered here.
const LISTED_SERIES: usize = 20_000;

/// Returns the histograms of all series that satisfy the matchers, sorted by labels. They may weigh `limit` samples.
pub(in crate::store) fn select_histograms(
    shared: &Shared,
    matchers: &[Matcher],
    start: i64,
    end: i64,
    limit: usize,
) -> Result<Vec<SeriesHistograms>, StoreError> {
    if start > end || shared.histograms.read().counts().1 == 0 {
        return Ok(Vec::new());
    }
    let mut ids = index::select(&shared.registry, matchers);
    {
        let held = shared.histograms.read();
        ids.retain(|&id| held.overlaps(id, start, end));
    }
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Vec::new()) };
    let series = if ids.len() > LISTED_SERIES {
        format!("series_id BETWEEN {first} AND {last}")
    } else {
        let list: Vec<String> = ids.iter().map(u32::to_string).collect();
        format!("series_id IN ({})", list.join(","))
    };
    let columns = histogram::COLUMNS;
    let sql = format!(
        "SELECT {columns} FROM store.histograms WHERE {series} AND timestamp BETWEEN {} AND {}",
        instant(start),
        instant(end)
    );
    let (mut rows, mut weight): (Vec<HistogramRow>, usize) = (Vec::new(), 0);
    shared.readers.with(|connection| {
        for_each_batch(connection, &sql, |batch| {
            histogram::read(batch, |row| {
                if ids.binary_search(&row.series).is_ok() {
                    weight += row.histogram.weight();
                    rows.push(row);
                }
                if weight > limit { Err(StoreError::TooManySamples { limit }) } else { Ok(()) }
            })
        })
    })?;
    rows.sort_by_key(|row| (row.series, row.timestamp, row.seq));
    let registry = shared.registry.read();
    let mut found: Vec<(u32, SeriesHistograms)> = Vec::new();
    for of_series in rows.chunk_by(|a, b| a.series == b.series) {
        let id = of_series[0].series;
        let Some(labels) = registry.labels(SeriesId::new(id)) else { continue };
        // Of repeated timestamps the last write counts.
        let last = of_series.chunk_by(|a, b| a.timestamp == b.timestamp).filter_map(|same| same.last());
        let (timestamps, histograms) = last.map(|row| (row.timestamp, row.histogram.clone())).unzip();
        found.push((id, SeriesHistograms { labels, timestamps, histograms }));
    }
    registry.sort_by_labels(&mut found, |one| one.0);
    Ok(found.into_iter().map(|one| one.1).collect())
}
