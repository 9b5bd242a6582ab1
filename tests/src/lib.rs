//! Benches of the whole program and the code that they share.

pub mod accuracy;
pub mod advisors;
pub mod bench;
pub mod document;
