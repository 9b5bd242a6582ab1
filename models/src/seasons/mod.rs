//! Seasons of a series: how many, how long, how strong; none where there is none.

mod autocorrelation;
mod detect;
mod fold;

pub use detect::{Season, SeasonDetector};
