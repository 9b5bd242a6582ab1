//! Reads samples: the spans that a query needs, and the newest sample within the look-back.

mod fetch;
mod lookback;
mod span;

pub(super) use fetch::{Loaded, Samples};
pub(super) use lookback::{Shown, instant_frame};
pub(super) use span::Span;
