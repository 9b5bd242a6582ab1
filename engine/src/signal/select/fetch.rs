//! Reads everything that a query needs from the source, each span once.

use std::sync::Arc;

use super::Span;
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher, SampleSource, SeriesSamples},
    signal::{
        EvalLimits, SignalError,
        frame::Grid,
        plan::{Query, Selector},
        time::Clock,
    },
};

/// The series of one selector.
#[derive(Debug)]
pub(in crate::signal) struct Loaded {
    pub(in crate::signal) series: Vec<SeriesSamples>,
    /// True when all series share one metric name, so that they differ without it.
    pub(in crate::signal) one_metric: bool,
}

/// What a query reads, read once: selectors with the same matchers and overlapping spans share it.
#[derive(Debug)]
pub(in crate::signal) struct Samples {
    slots: Vec<Option<Arc<Loaded>>>,
}

/// One read of the source.
struct Read<'a> {
    matchers: &'a [Matcher],
    span: Span,
    slots: Vec<usize>,
}

impl Samples {
    /// Reads everything that `query` needs on `grid`.
    pub(in crate::signal) fn fetch(
        source: &dyn SampleSource,
        query: &Query,
        grid: &Grid,
        clock: &Clock,
        limits: &EvalLimits,
    ) -> Result<Self, SignalError> {
        let whole = Span { start_ms: grid.start_ms, end_ms: grid.last() };
        let mut reads: Vec<Read<'_>> = Vec::new();
        clock.spans(query.root(), whole, &mut |selector, span| plan_read(&mut reads, selector, span));

        let mut slots = vec![None; query.selector_count()];
        let mut left = limits.max_samples;
        for read in reads {
            limits.cancel.check()?;
            let series = source
                .select(read.matchers, read.span.start_ms, read.span.end_ms, left)
                .map_err(|error| too_many(error.into(), limits))?;
            let loaded: usize = series.iter().map(|one| one.timestamps.len()).sum();
            left = left.checked_sub(loaded).ok_or(SignalError::TooManySamples { limit: limits.max_samples })?;
            let one_metric =
                read.matchers.iter().any(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal);
            let loaded = Arc::new(Loaded { series, one_metric });
            for slot in read.slots {
                slots[slot] = Some(Arc::clone(&loaded));
            }
        }
        Ok(Self { slots })
    }

    /// The series of a selector; none when the selector is never evaluated.
    pub(in crate::signal) fn of(&self, selector: &Selector) -> Option<&Loaded> {
        self.slots[selector.slot].as_deref()
    }
}

/// The source was told what was left; the caller is told the limit that they know.
fn too_many(error: SignalError, limits: &EvalLimits) -> SignalError {
    match error {
        SignalError::TooManySamples { .. } => SignalError::TooManySamples { limit: limits.max_samples },
        other => other,
    }
}

fn plan_read<'a>(reads: &mut Vec<Read<'a>>, selector: &'a Selector, span: Span) {
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
        None => reads.push(Read { matchers: &selector.matchers, span, slots: vec![selector.slot] }),
    }
}

fn same_matchers(a: &[Matcher], b: &[Matcher]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && a.op() == b.op() && a.value() == b.value())
}
