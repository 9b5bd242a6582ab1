//! Conditions that no index serves as they are written: text search, casts of columns, OR.

mod cast;
mod either;
mod search;

pub(super) use cast::find as implicit_cast;
pub(super) use either::find as or_columns;
pub(super) use search::find as text_search;
