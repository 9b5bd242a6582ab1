//! Benches of the whole program, the code that they share, the targets of fuzzing, and the harness of faults.

pub mod accuracy;
pub mod advisors;
pub mod bench;
pub mod document;
pub mod faults;
pub mod fuzz;
