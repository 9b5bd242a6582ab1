//! The grammar of PromQL in Prometheus 3: tokens, strings, durations, and a precedence-climbing parser that builds the
//! plan.
//!
//! `lexer` produces tokens. `parser` parses operators, `call` calls and aggregations, `selector` selectors and their
//! modifiers. `checks` rejects operands of the wrong kind. Each error names its position in the text and the
//! correction.

mod call;
mod checks;
mod duration;
mod duration_expr;
mod keywords;
mod lexer;
mod operand;
mod parser;
mod position;
mod quoted;
mod selector;
mod token;

pub(super) use parser::parse;
