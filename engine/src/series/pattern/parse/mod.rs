//! Parser of RE2 patterns by the rules of Go's `regexp/syntax`, with its Perl flags and `.` matching newlines.
//!
//! `parser` reads groups, flags and operators; `escape`, `bracket` and `repetition` read the constructs that do not
//! nest.

mod bracket;
mod cursor;
mod escape;
mod parser;
mod repetition;

pub(super) use parser::parse;
