//! Scorers as others define them: pure functions, each tested against its source's own code.

pub mod events;
pub mod losses;
pub mod nab;
pub mod naive2;
pub mod vus;
