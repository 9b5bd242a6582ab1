//! The tokens of PromQL.

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A number without a unit.
    Number(f64),
    /// A number with a unit, in milliseconds.
    Duration(i64),
    /// A quoted text, without its quotes and escapes.
    Text(String),
    /// A name or keyword; the text is in the source.
    Word,
    /// A bracket, operator or comma.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and the bytes of the source that it covers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self.kind, Kind::Symbol(found) if found == symbol)
    }
}
