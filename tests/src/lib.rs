//! Benches of the whole program, the code that they share, the targets of fuzzing, the harness of faults, and the soak.

pub mod accuracy;
pub mod advisors;
pub mod bench;
pub mod document;
pub mod faults;
pub mod fuzz;
mod process;
pub mod soak;
