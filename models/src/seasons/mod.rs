//! Seasons of a series: how many, how long, how strong; none where there is none.

mod detect;

pub use detect::{Season, SeasonDetector};
