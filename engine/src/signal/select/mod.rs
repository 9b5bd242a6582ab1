//! Reads the samples of a query: computes the span of each selector, reads it once, and applies the look-back.

mod fetch;
mod lookback;
mod span;

pub(super) use fetch::{LoadedSeries, QuerySamples, SelectedSeries};
pub(super) use lookback::{SampleField, instant_frame, smoothed_frame};
pub(super) use span::Span;
