//! Binary operations between scalars, between a vector and a scalar, and between vectors. `eval` calls them.

mod histograms;
mod matching;
mod operators;
mod scalars;
mod sets;

pub(super) use histograms::{Operands, negated};
pub(super) use matching::between_vectors;
pub(super) use scalars::{VectorSide, between_scalars, with_scalar};
pub(super) use sets::set_operation;
