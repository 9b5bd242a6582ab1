//! Advice on the rules in force, from the store, and what an applied one did since.

mod advise;
mod breaches;
mod fetch;
mod measure;

#[cfg(test)]
mod tests;

pub use advise::{RuleAdvice, advise, advise_rule};
pub use breaches::{ExpectedBreach, expected_breaches};
pub use measure::measure;
