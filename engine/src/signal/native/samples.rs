//! Reads the floats and the histograms of series from a source, as samples with handles.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::{
    histogram::Histogram,
    series::{Labels, Matcher, Part, SampleSource, SeriesHistograms, SeriesSamples, SourceError, is_stale},
    signal::EvalLimits,
};

/// What was read.
pub(in crate::signal) struct Read {
    /// Ordered by labels.
    pub(in crate::signal) series: Vec<SeriesSamples>,
    /// How much of the limit they take.
    pub(in crate::signal) samples: usize,
    pub(in crate::signal) has_histograms: bool,
}

/// Returns the samples of a span in epoch milliseconds, of all series that satisfy every matcher. [`Part::Newest`] may
/// return more than the newest.
///
/// # Errors
/// As [`SampleSource::select`].
pub(in crate::signal) fn read(
    source: &dyn SampleSource,
    matchers: &[Matcher],
    (start_ms, end_ms): (i64, i64),
    part: Part,
    limit: usize,
    limits: &EvalLimits,
) -> Result<Read, SourceError> {
    let mut series = match part {
        Part::All => source.select(matchers, start_ms, end_ms, limit)?,
        Part::Newest => source.select_newest(matchers, start_ms, end_ms, limit)?,
    };
    let count = |series: &[SeriesSamples]| series.iter().map(|one| one.timestamps.len()).sum::<usize>();
    let mut floats = count(&series);
    let left = limit.saturating_sub(floats);
    let histograms = source.select_histograms(matchers, start_ms, end_ms, left)?;
    if histograms.is_empty() {
        return Ok(Read { series, samples: floats, has_histograms: false });
    }
    if part == Part::Newest {
        // The hint of a histogram depends on the floats before it.
        series = source.select(matchers, start_ms, end_ms, limit)?;
        floats = count(&series);
    }
    let left = limit.saturating_sub(floats);
    let weight: usize = histograms.iter().flat_map(|one| &one.histograms).map(|one| one.weight()).sum();
    if weight > left {
        return Err(SourceError::TooManySamples { limit });
    }
    let mut place: HashMap<Labels, usize> =
        series.iter().enumerate().map(|(idx, one)| (one.labels.clone(), idx)).collect();
    for one in histograms {
        let labels = one.labels.clone();
        let idx = *place.entry(labels.clone()).or_insert_with(|| {
            series.push(SeriesSamples { labels, ..SeriesSamples::default() });
            series.len() - 1
        });
        series[idx] = merged(&series[idx], one, limits);
    }
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Read { series, samples: floats + weight, has_histograms: true })
}

/// Returns the samples of both kinds by time. Of two at the same time the histogram counts.
fn merged(floats: &SeriesSamples, histograms: SeriesHistograms, limits: &EvalLimits) -> SeriesSamples {
    let all = floats.timestamps.len() + histograms.timestamps.len();
    let mut merged = SeriesSamples {
        labels: histograms.labels,
        timestamps: Vec::with_capacity(all),
        values: Vec::with_capacity(all),
    };
    let mut rest = floats.timestamps.iter().zip(&floats.values).peekable();
    // The histogram directly before, if no float or end of the series is between.
    let mut before: Option<Arc<Histogram>> = None;
    for (at, mut histogram) in histograms.timestamps.into_iter().zip(histograms.histograms) {
        while let Some((float_at, value)) = rest.next_if(|(float_at, _)| **float_at <= at) {
            if *float_at < at {
                merged.timestamps.push(*float_at);
                merged.values.push(*value);
                before = None;
            } else if is_stale(*value) {
                before = None;
            }
        }
        // Compared once, so that windows that share them need not. The first one has the hint of when it was stored.
        if let Some(before) = &before {
            let hint = histogram.hint_after(Some(before));
            if hint != histogram.hint {
                Arc::make_mut(&mut histogram).hint = hint;
            }
        }
        merged.timestamps.push(at);
        merged.values.push(limits.arena.put(Arc::clone(&histogram)));
        before = Some(histogram);
    }
    for (at, value) in rest {
        merged.timestamps.push(*at);
        merged.values.push(*value);
    }
    merged
}
