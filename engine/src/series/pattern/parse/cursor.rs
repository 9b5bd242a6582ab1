//! Position in a pattern, with the errors that point into it.

use crate::series::pattern::PatternError;

/// The text of a pattern and the position of the next character.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    /// Byte position of the next character.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// Returns the text that is not read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Returns the next character without reading it.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Returns an error about the text between two byte positions.
    pub(super) fn error(
        &self,
        start: usize,
        end: usize,
        what: &'static str,
        hint: Option<&'static str>,
    ) -> PatternError {
        PatternError::at(self.text, start, end, what, hint)
    }
}
