//! Advice on the rules in force: reads their history from the store, decides, measures rules that were
//! applied, and draws the evidence.

mod advise;
mod applied_rule;
mod breaches;
mod effect;
mod fetch;
mod measure;
mod pictures;
mod replayed_rule;
mod terms;

#[cfg(test)]
mod tests;

pub use advise::RuleFacts;
pub(super) use advise::{decide, fetch};
pub use breaches::{ExpectedBreach, expected_breaches};
pub(super) use measure::measure;
pub(super) use pictures::pictures;
pub use terms::RuleTerms;
