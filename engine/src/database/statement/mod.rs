//! Reads statement texts: normalised form, fingerprint of the family, syntax tree.
//!
//! The parser is `sqlparser` with PostgreSQL's dialect. `normalize` and `family` work on tokens, so that a statement that
//! the parser does not know has a family as well.

mod canonical;
mod error;
mod parse;
mod quote;

pub use canonical::{family, literals, normalize};
pub use error::StatementError;
pub use parse::parse;
pub use quote::quote;

#[cfg(test)]
mod tests;
