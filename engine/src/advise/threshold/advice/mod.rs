//! Advice on the rules in force, from the store, and what an applied one did since.

mod advise;
mod breaches;
mod fetch;
mod measure;
mod terms;

#[cfg(test)]
mod tests;

pub use advise::RuleFacts;
pub(super) use advise::{decide, fetch};
pub use breaches::{ExpectedBreach, expected_breaches};
pub(super) use measure::measure;
pub use terms::RuleTerms;
