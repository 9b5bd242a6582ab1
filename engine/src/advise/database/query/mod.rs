//! Finds statements that cost more than they need to, and rewrites them.
//!
//! Pure functions over a workload and a catalogue. `finding` has the types, `findings` runs all finders; `paging`, `loops`,
//! `subquery`, `predicate` and `rows` find and rewrite one pattern in each file, with the tools of `tree`. A statement that
//! is not understood as a whole is not rewritten: the finding names the reason.

mod advice;
mod finding;
mod findings;
mod known;
mod loops;
mod paging;
mod predicate;
mod rows;
mod subquery;
mod tree;

pub use advice::{Queries, QueryFacts, QueryTerms, TermOfFamily};
pub use finding::{
    Action, Check, Equality, Finding, FirstPage, IndexNeed, Loop, Need, Parameter, Pattern, Rewrite, Saving,
};
pub use findings::findings;

#[cfg(test)]
mod tests;
