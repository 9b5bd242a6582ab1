//! From a decision to its recommendation: schedule, patches, sentence and evidence, the replica count of this minute,
//! the measured effect, and the pictures of the evidence.

mod current;
mod describe;
mod measure;
mod patch;
mod pictures;
mod recommend;
mod schedule;

pub use current::{CurrentReplicas, current_replicas};
pub(super) use measure::measure;
pub use patch::{cron_scaled_object, horizontal_pod_autoscaler, keda_scaled_object};
pub(super) use pictures::pictures;
pub(super) use recommend::proposal;
pub use schedule::{Schedule, ScheduleSlot};
