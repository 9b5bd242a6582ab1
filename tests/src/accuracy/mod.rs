//! The bench of accuracy: every model on the public sets, as others score them, beside what others have published.

pub mod forecasters;
pub mod grid;
pub mod published;
pub mod scorers;
mod sections;

pub use sections::PAPER;
