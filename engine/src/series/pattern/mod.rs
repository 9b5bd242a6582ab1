//! Regular expressions of RE2 for label matchers and `label_replace`, with the syntax of Go's `regexp` and of
//! Prometheus.
//!
//! `parse` reads a pattern by the rules of Go's `regexp/syntax` (Perl flags, `.` matches newlines) into the tree of
//! `syntax`. `class` builds sets of characters. `translate` writes the tree as a pattern of the crate `regex`, which
//! compiles it within the memory that `budget` bounds for the process. A pattern that matches a finite list of texts, such as `a|b|c`, is kept as a set and never compiled.

mod budget;
mod class;
mod error;
mod expand;
mod matching;
mod parse;
mod syntax;
mod translate;

#[cfg(test)]
mod tests;

pub use error::PatternError;
pub(super) use error::shortened;
pub(crate) use matching::Capturing;
pub use matching::Pattern;
