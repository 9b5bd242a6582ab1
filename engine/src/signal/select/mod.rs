//! Reading samples: which spans a query needs, the newest sample within the look-back, windows over ranges.

mod fetch;
mod lookback;
mod span;
mod window;

pub(super) use fetch::{Loaded, Samples};
pub(super) use lookback::{Shown, instant_frame};
pub(super) use span::{Clock, Span};
pub(super) use window::{RangeRow, RangeRows, Window, Windows};
