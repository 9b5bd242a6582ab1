//! Detects the seasons of a series: their lengths and strengths. A series without a pattern has none.

mod autocorrelation;
mod detect;
mod fold;

pub use detect::{Season, SeasonDetector};
