//! Advice on the rules in force: reads their history from the store, decides, and measures rules that were applied.

mod advise;
mod applied_rule;
mod breaches;
mod effect;
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
