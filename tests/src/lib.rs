//! Benches of the whole program, the code that they share, and the targets of fuzzing.

pub mod accuracy;
pub mod advisors;
pub mod bench;
pub mod document;
pub mod fuzz;
