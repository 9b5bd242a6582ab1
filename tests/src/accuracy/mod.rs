//! The bench of accuracy: every model on the public sets, with the scores that others use, beside published results.

pub mod forecasters;
pub mod grid;
pub mod published;
pub mod scorers;
mod sections;

pub use sections::PAPER;
