//! The error of a text that is not a regular expression of RE2.

/// Maximum number of characters of a pattern in a message.
const SHOWN_CHARACTERS: usize = 60;

/// The error of a text that is not a regular expression of RE2: the problem, the piece of text and its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: `{piece}` at character {character}{}", hint.map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct PatternError {
    /// The problem, in the words of Go's `regexp` if it has the same error.
    pub what: &'static str,
    /// Piece of the pattern.
    pub piece: String,
    /// Position of the piece, in characters from 1.
    pub character: usize,
    /// A hint at the correction.
    pub hint: Option<&'static str>,
}

impl PatternError {
    /// Creates an error about the piece of `pattern` between two byte positions.
    pub(super) fn at(pattern: &str, start: usize, end: usize, what: &'static str, hint: Option<&'static str>) -> Self {
        let character = pattern.get(..start).unwrap_or("").chars().count() + 1;
        let piece = shortened(pattern.get(start..end).unwrap_or(pattern)).replace('\n', "\\n").replace('\r', "\\r");
        Self { what, piece, character, hint }
    }
}

/// Cuts a text that is too long for a message.
pub(in crate::series) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
