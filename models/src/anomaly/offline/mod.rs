//! Scores for a series that is known as a whole: each value in the light of all others, before and after it.

mod departure;
mod detect;
mod lasting;
mod season;
mod smooth;

pub use detect::{detect_offline, detect_offline_by_clocks};
