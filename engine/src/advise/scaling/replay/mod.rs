//! Replays policies on a recorded history: `score` drives a pool step by step and scores it, `compare` runs six
//! policies.

mod compare;
mod score;

pub(super) use compare::trace_reactive;
pub use compare::{CompareOptions, Comparison, compare};
pub use score::{PolicyFigures, Trace, follow, score, simulate};
