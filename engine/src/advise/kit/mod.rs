//! What all advisors use and none owns: histories on a grid, intervals and the bootstrap, sections of the configuration,
//! durations, and patches as YAML. Advisors import from here and never from one another.

mod duration;
mod error;
mod history;
mod interval;
mod kubernetes;
mod read;
mod section;
mod text;

pub use duration::{millis, millis_list, optional_millis};
pub use error::HistoryError;
pub use history::{DemandHistory, LeftOut};
pub use interval::{Interval, LEVEL, RESAMPLES, judge_mean, resamples};
pub use kubernetes::kubernetes_patch;
pub(super) use read::{align, grid, one_series, usable};
pub use read::{one_history, one_value};
pub use section::{Section, SectionError, check_expr};
pub use text::{error_chain, rfc3339};
