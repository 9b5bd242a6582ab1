//! Change points: where a series moves to another level for good.

mod pelt;

pub use pelt::Pelt;
