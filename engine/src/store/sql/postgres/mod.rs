//! Reads statements as clients of the PostgreSQL wire write them: splits texts, translates names and operators that DuckDB
//! reads differently, and finds the types of parameters.
//!
//! The translation changes names, casts and constants only; the gate checks its result like any other statement.

mod casts;
mod infer;
mod lexer;
mod names;
mod operators;
mod output;
mod parameter;
mod rewriter;
mod translate;

pub(super) use infer::{infer, parameter_count};
pub use lexer::{HEAD, Lexeme, LexemeKind, Piece, lexemes, split};
pub(super) use output::output_names;
pub use parameter::{ParamKind, ParamType};
pub(super) use translate::Translation;
