//! Rules that say how many replicas there should be, each from demand before its decision alone;
//! the oracle, which knows the future, is the measure.

mod bounded;
mod last_week;
mod oracle;
mod predictive;
mod reactive;
mod rule;
mod scale_in;
mod static_peak;

pub use last_week::LastWeek;
pub use oracle::oracle_plan;
pub use predictive::{Coverage, Predictive, PredictiveOptions};
pub use reactive::Reactive;
pub use rule::Policy;
pub use static_peak::StaticPeak;
