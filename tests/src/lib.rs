//! End to end: what tests and benches of the whole program share.

pub mod accuracy;
pub mod advisors;
pub mod bench;
pub mod document;
