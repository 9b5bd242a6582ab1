//! The advisor on queries: findings become verdicts, and applied ones are measured.

mod advisor;
mod decide;
mod describe;
mod facts;
mod measure;
mod terms;
#[cfg(test)]
mod tests;

pub use advisor::Queries;
pub use facts::QueryFacts;
pub use terms::{QueryTerms, TermOfFamily};
