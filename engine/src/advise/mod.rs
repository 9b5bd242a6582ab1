//! Advisors: each fetches what it needs, decides purely, and says it with evidence.

mod error;
mod run;
mod specs;
mod stamps;

pub mod rightsizing;
pub mod scaling;
pub mod threshold;
pub mod ttl;

pub use error::AdviseError;
pub use run::{Advice, Refusal, advise, consider, measure};
pub use specs::AdviceSpecs;
