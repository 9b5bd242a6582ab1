//! What policies would have done on a recorded history: driving a pool step by step, scoring it, and
//! six policies side by side.

mod compare;
mod score;

pub use compare::{CompareOptions, Comparison, compare};
pub use score::{PolicyFigures, Trace, follow, score, simulate};
