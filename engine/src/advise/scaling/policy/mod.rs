//! Rules for the number of replicas. Each decides from demand before its decision alone, except the oracle, which sees
//! all demand and is the reference.

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
