//! End to end: what tests and benches of the whole program share.

pub mod accuracy;
pub mod bench;
