//! The tokens of PromQL, which the lexer produces and the parser consumes.

/// Kind of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A number without a unit.
    Number(f64),
    /// A number with a unit, in milliseconds.
    Duration(i64),
    /// A quoted text, without its quotes and escapes.
    Text(String),
    /// A name or keyword; its text is that of the token in the source.
    Word,
    /// A bracket, operator or comma.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and the bytes of the source that it covers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// Whether the token is this symbol.
    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self.kind, TokenKind::Symbol(found) if found == symbol)
    }
}
