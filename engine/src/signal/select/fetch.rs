//! Reads all samples of a query from the source before it is evaluated. Selectors share reads.

use std::sync::Arc;

use super::Span;
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher, Part, SampleSource, SeriesSamples},
    signal::{
        EvalLimits, SignalError,
        frame::{OF_METRIC, StepGrid},
        native::{self, Read},
        plan::{Query, Selector},
        time::QueryTimes,
    },
};

/// The samples of one read.
#[derive(Debug)]
pub(in crate::signal) struct LoadedSeries {
    pub(in crate::signal) series: Vec<SeriesSamples>,
    /// True if all series have the same metric name and no type or unit, so that their labels differ without it.
    pub(in crate::signal) one_metric: bool,
    pub(in crate::signal) has_histograms: bool,
}

/// The series that a selector has: those of its read, or some of them.
#[derive(Debug, Clone)]
struct Slot {
    loaded: Arc<LoadedSeries>,
    /// Indices of the series; `None`: all.
    chosen: Option<Arc<[usize]>>,
}

/// The series that a selector has.
#[derive(Debug, Clone, Copy)]
pub(in crate::signal) struct SelectedSeries<'a> {
    pub(in crate::signal) loaded: &'a LoadedSeries,
    chosen: Option<&'a [usize]>,
}

impl<'a> SelectedSeries<'a> {
    /// Returns the number of series.
    pub(in crate::signal) fn len(self) -> usize {
        self.chosen.map_or(self.loaded.series.len(), <[usize]>::len)
    }

    /// Iterates over the series, in order.
    pub(in crate::signal) fn iter(self) -> impl Iterator<Item = &'a SeriesSamples> {
        let at = move |idx: usize| &self.loaded.series[self.chosen.map_or(idx, |chosen| chosen[idx])];
        (0..self.len()).map(at)
    }
}

impl<'a> From<&'a LoadedSeries> for SelectedSeries<'a> {
    fn from(loaded: &'a LoadedSeries) -> Self {
        Self { loaded, chosen: None }
    }
}

/// The samples of a query. Selectors with equal matchers and overlapping spans share a read.
#[derive(Debug, Clone)]
pub(in crate::signal) struct QuerySamples {
    /// Samples by the slot of the selector.
    slots: Vec<Option<Slot>>,
}

/// One read of the source, and the slots of the selectors that share it.
struct PlannedRead<'a> {
    matchers: &'a [Matcher],
    span: Span,
    part: Part,
    slots: Vec<usize>,
}

impl QuerySamples {
    /// Reads all samples that `query` needs on `grid`, at most `most`.
    ///
    /// # Errors
    /// [`SignalError::TooManySamples`] if they exceed the limit together, [`SignalError::Source`],
    /// [`SignalError::Cancelled`].
    pub(in crate::signal) fn fetch(
        source: &dyn SampleSource,
        query: &Query,
        grid: &StepGrid,
        query_times: &QueryTimes,
        most: usize,
        limits: &EvalLimits,
    ) -> Result<Self, SignalError> {
        let whole = Span { start_ms: grid.start_ms, end_ms: grid.last() };
        let mut reads: Vec<PlannedRead<'_>> = Vec::new();
        query_times.spans(query.root(), whole, &mut |selector, span, part| plan_read(&mut reads, selector, span, part));

        let mut slots = vec![None; query.selector_count()];
        // The limit applies to all reads together.
        let mut left = most;
        for read in reads {
            limits.cancel.check()?;
            let span = (read.span.start_ms, read.span.end_ms);
            let Read { series, samples, has_histograms } =
                native::read(source, read.matchers, span, read.part, left, limits)
                    .map_err(|error| too_many(error.into(), limits))?;
            limits.counts.read(samples);
            left = left.checked_sub(samples).ok_or(SignalError::TooManySamples { limit: limits.max_samples })?;
            let has_type = || series.iter().any(|one| OF_METRIC[1..].iter().any(|name| one.labels.get(name).is_some()));
            let is_name = |matcher: &Matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal;
            let one_metric = read.matchers.iter().any(is_name) && !has_type();
            let loaded = Arc::new(LoadedSeries { series, one_metric, has_histograms });
            for slot in read.slots {
                slots[slot] = Some(Slot { loaded: Arc::clone(&loaded), chosen: None });
            }
        }
        Ok(Self { slots })
    }

    /// Returns the longest span that a selector of `query` reads on `grid`, in milliseconds.
    pub(in crate::signal) fn longest_span(query: &Query, grid: &StepGrid, query_times: &QueryTimes) -> i64 {
        let whole = Span { start_ms: grid.start_ms, end_ms: grid.last() };
        let mut longest = 0;
        query_times.spans(query.root(), whole, &mut |_, span, _| {
            longest = longest.max(span.end_ms.saturating_sub(span.start_ms));
        });
        longest
    }

    /// Returns the samples of a selector; `None` if the selector is never evaluated.
    pub(in crate::signal) fn of(&self, selector: &Selector) -> Option<SelectedSeries<'_>> {
        let slot = self.slots[selector.slot].as_ref()?;
        Some(SelectedSeries { loaded: &slot.loaded, chosen: slot.chosen.as_deref() })
    }

    /// Returns the samples with some of the series of a selector only, by their indices among all of its read.
    pub(in crate::signal) fn narrowed(&self, selector: &Selector, chosen: &[usize]) -> Self {
        let mut narrowed = self.clone();
        if let Some(slot) = &mut narrowed.slots[selector.slot] {
            slot.chosen = Some(chosen.into());
        }
        narrowed
    }
}

/// Replaces the remaining limit, which the source reports, by the limit of the caller.
fn too_many(error: SignalError, limits: &EvalLimits) -> SignalError {
    match error {
        SignalError::TooManySamples { .. } => SignalError::TooManySamples { limit: limits.max_samples },
        other => other,
    }
}

/// Adds the span of a selector to a read with equal matchers that overlaps it, or to a new one.
fn plan_read<'a>(reads: &mut Vec<PlannedRead<'a>>, selector: &'a Selector, span: Span, part: Part) {
    let shared = reads.iter_mut().find(|read| {
        same_matchers(read.matchers, &selector.matchers)
            && read.span.start_ms <= span.end_ms
            && span.start_ms <= read.span.end_ms
    });
    match shared {
        Some(read) => {
            if (read.span, read.part) != (span, part) {
                read.part = Part::All;
            }
            read.span.start_ms = read.span.start_ms.min(span.start_ms);
            read.span.end_ms = read.span.end_ms.max(span.end_ms);
            read.slots.push(selector.slot);
        }
        None => reads.push(PlannedRead { matchers: &selector.matchers, span, part, slots: vec![selector.slot] }),
    }
}

fn same_matchers(a: &[Matcher], b: &[Matcher]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && a.op() == b.op() && a.value() == b.value())
}
