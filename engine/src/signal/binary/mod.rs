//! Binary operations: between numbers, between a vector and a number, between vectors.

mod matching;
mod operators;
mod scalars;
mod sets;

pub(super) use matching::between_vectors;
pub(super) use scalars::{Side, between_scalars, with_scalar};
pub(super) use sets::set_operation;
