//! Recorded series whose rows may be uneven, repeated or missing: their step, their values on a grid, a score for each row.

mod grid;
mod score;

pub use grid::{infer_step, regular};
pub use score::{Training, score_rows};
