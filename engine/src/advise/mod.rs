//! Advisors: each fetches what it needs, decides purely, and says it with evidence.

pub mod scaling;
pub mod threshold;
pub mod ttl;
