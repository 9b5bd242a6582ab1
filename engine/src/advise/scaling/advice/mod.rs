//! From a decision to what is said: the schedule, the patches, the recommendation with its evidence,
//! the number of this minute, and what came of it once it was applied.

mod current;
mod describe;
mod measure;
mod patch;
mod recommend;
mod schedule;

pub use current::{CurrentReplicas, current_replicas};
pub(super) use measure::measure;
pub use patch::{cron_scaled_object, horizontal_pod_autoscaler, keda_scaled_object};
pub(super) use recommend::proposal;
pub use schedule::{Schedule, ScheduleSlot};
