//! Scorers as others define them: pure functions, each tested against the code of its source.

pub mod events;
pub mod losses;
pub mod nab;
pub mod naive2;
pub mod vus;
