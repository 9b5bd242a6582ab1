//! Recommends the rows of a statement that writes several: large enough that its fixed cost is shared by many rows, and small
//! enough for its time limits.
//!
//! `spec` is the section `[[batch]]`, `source` where sizes and times come from, `fetch` reads them, `fit` finds the fixed cost
//! and the cost of a row, `limits` what bounds the size, `decide` chooses it, `measure` measures an applied size, `pictures` draws
//! the evidence.

mod advisor;
mod decide;
mod fetch;
mod fit;
mod limits;
mod measure;
mod pictures;
mod source;
mod spec;
mod terms;

pub use advisor::Batches;
pub use fetch::{BatchFacts, Pair};
pub use fit::{BatchFit, FitRefusal, fit};
pub use source::BatchSource;
pub use spec::BatchSpec;
pub use terms::BatchTerms;

#[cfg(test)]
mod tests;
