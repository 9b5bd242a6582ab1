//! Scores a complete series: each value is compared with all others, before and after it. For reports and labels, not
//! for alerts.

mod departure;
mod detect;
mod lasting;
mod season;
mod smooth;

pub use detect::{detect_offline, detect_offline_by_clocks};
