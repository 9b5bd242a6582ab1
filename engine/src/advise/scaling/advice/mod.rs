//! From a decision to what is said: the schedule, the patches, the recommendation with its evidence,
//! the number of this minute, and what came of it once it was applied.

mod current;
mod describe;
mod measure;
mod patch;
mod recommend;
mod schedule;

pub use current::{CurrentReplicas, current_replicas};
pub(in crate::advise) use measure::judge_mean;
pub use measure::measure;
pub(in crate::advise) use patch::quoted;
pub use patch::{cron_scaled_object, horizontal_pod_autoscaler, keda_scaled_object};
pub use recommend::advise;
pub(in crate::advise) use recommend::rfc3339;
pub use schedule::{Schedule, ScheduleSlot};
