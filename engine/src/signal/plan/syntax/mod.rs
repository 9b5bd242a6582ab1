//! PromQL's grammar: tokens, strings, durations, and a parser by precedence that builds the plan directly.
//!
//! It follows the grammar of Prometheus 3. Every error names its place in the text and what would be right there.

mod checks;
mod duration;
mod keywords;
mod lexer;
mod operand;
mod parser;
mod place;
mod quoted;
mod selector;
mod token;

pub(super) use parser::parse;
