//! Why a text is no regular expression of RE2.

/// Most characters of a pattern that a message repeats.
const SHOWN: usize = 60;

/// Why a text is no regular expression of RE2: what is wrong, the piece of text, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: `{piece}` at character {character}{}", hint.map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct PatternError {
    /// What is wrong, in the words of Go's `regexp` where it has some.
    pub what: &'static str,
    /// The piece of the pattern.
    pub piece: String,
    /// Where the piece begins, counted in characters from 1.
    pub character: usize,
    /// What would be right.
    pub hint: Option<&'static str>,
}

impl PatternError {
    /// An error about the piece of `pattern` between two byte positions.
    pub(super) fn at(pattern: &str, start: usize, end: usize, what: &'static str, hint: Option<&'static str>) -> Self {
        let character = pattern.get(..start).unwrap_or("").chars().count() + 1;
        let piece = shortened(pattern.get(start..end).unwrap_or(pattern)).replace('\n', "\\n").replace('\r', "\\r");
        Self { what, piece, character, hint }
    }
}

/// The start of a text that is too long for a message.
pub(in crate::series) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
