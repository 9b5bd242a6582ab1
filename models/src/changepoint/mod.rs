//! Detects change points: steps from which on a series has another level.

mod pelt;

pub use pelt::Pelt;
