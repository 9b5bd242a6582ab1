//! Reads all samples of a query from the source before it is evaluated. Selectors share reads.

use std::sync::Arc;

use super::Span;
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher, SampleSource, SeriesSamples},
    signal::{
        EvalLimits, SignalError,
        frame::{OF_METRIC, StepGrid},
        native,
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
}

/// The samples of a query. Selectors with equal matchers and overlapping spans share a read.
#[derive(Debug)]
pub(in crate::signal) struct QuerySamples {
    /// Samples by the slot of the selector.
    slots: Vec<Option<Arc<LoadedSeries>>>,
}

/// One read of the source, and the slots of the selectors that share it.
struct PlannedRead<'a> {
    matchers: &'a [Matcher],
    span: Span,
    slots: Vec<usize>,
}

impl QuerySamples {
    /// Reads all samples that `query` needs on `grid`.
    ///
    /// # Errors
    /// [`SignalError::TooManySamples`] if they exceed the limit together, [`SignalError::Source`],
    /// [`SignalError::Cancelled`].
    pub(in crate::signal) fn fetch(
        source: &dyn SampleSource,
        query: &Query,
        grid: &StepGrid,
        query_times: &QueryTimes,
        limits: &EvalLimits,
    ) -> Result<Self, SignalError> {
        let whole = Span { start_ms: grid.start_ms, end_ms: grid.last() };
        let mut reads: Vec<PlannedRead<'_>> = Vec::new();
        query_times.spans(query.root(), whole, &mut |selector, span| plan_read(&mut reads, selector, span));

        let mut slots = vec![None; query.selector_count()];
        // The limit applies to all reads together.
        let mut left = limits.max_samples;
        for read in reads {
            limits.cancel.check()?;
            let span = (read.span.start_ms, read.span.end_ms);
            let (series, loaded) = native::read(source, read.matchers, span, left, limits)
                .map_err(|error| too_many(error.into(), limits))?;
            limits.counts.read(loaded);
            left = left.checked_sub(loaded).ok_or(SignalError::TooManySamples { limit: limits.max_samples })?;
            let has_type = series.iter().any(|one| OF_METRIC[1..].iter().any(|name| one.labels.get(name).is_some()));
            let one_metric = !has_type
                && read.matchers.iter().any(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal);
            let loaded = Arc::new(LoadedSeries { series, one_metric });
            for slot in read.slots {
                slots[slot] = Some(Arc::clone(&loaded));
            }
        }
        Ok(Self { slots })
    }

    /// Returns the samples of a selector; `None` if the selector is never evaluated.
    pub(in crate::signal) fn of(&self, selector: &Selector) -> Option<&LoadedSeries> {
        self.slots[selector.slot].as_deref()
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
fn plan_read<'a>(reads: &mut Vec<PlannedRead<'a>>, selector: &'a Selector, span: Span) {
    let shared = reads.iter_mut().find(|read| {
        same_matchers(read.matchers, &selector.matchers)
            && read.span.start_ms <= span.end_ms
            && span.start_ms <= read.span.end_ms
    });
    match shared {
        Some(read) => {
            read.span.start_ms = read.span.start_ms.min(span.start_ms);
            read.span.end_ms = read.span.end_ms.max(span.end_ms);
            read.slots.push(selector.slot);
        }
        None => reads.push(PlannedRead { matchers: &selector.matchers, span, slots: vec![selector.slot] }),
    }
}

fn same_matchers(a: &[Matcher], b: &[Matcher]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && a.op() == b.op() && a.value() == b.value())
}
