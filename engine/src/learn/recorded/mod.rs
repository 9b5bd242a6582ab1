//! Series from files, whose rows may be uneven, repeated or missing: infers the step, resamples the values and scores
//! each row. Never reads or writes the store.

mod grid;
mod score;

pub use grid::{infer_step, regular};
pub use score::{Training, score_rows};
