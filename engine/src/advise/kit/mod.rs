//! Code that all advisors share: histories on a regular grid, intervals and the bootstrap, configuration sections,
//! durations, and YAML patches. Advisors import from here and never from each other.

mod duration;
mod error;
mod history;
mod in_force;
mod interval;
mod kubernetes;
mod learned;
mod read;
mod section;
mod text;

pub use duration::{duration_text, millis, millis_list, optional_millis};
pub use error::HistoryError;
pub use history::{DemandHistory, LeftOut};
pub use in_force::in_force;
pub use interval::{Interval, LEVEL, RESAMPLES, judge_mean, resamples};
pub use kubernetes::kubernetes_patch;
pub use learned::learned_signal;
pub(super) use read::{align, grid, one_series, usable};
pub use read::{one_history, one_value};
pub use section::{Section, SectionError, check_expr};
pub use text::{error_chain, percent, rfc3339};
