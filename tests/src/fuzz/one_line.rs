//! Checks the text of an error: one line of bounded length.

use std::error::Error;

/// Longest text of an error in bytes; a person reads it.
const MAX_BYTES: usize = 8 << 10;

/// Asserts that an error with its sources is one line that can be read.
///
/// # Panics
/// When it is not.
pub(super) fn check(error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    check_text(&text);
}

/// Asserts that a text is one line that can be read.
///
/// # Panics
/// When it is not.
pub(super) fn check_text(text: &str) {
    assert!(!text.contains(['\n', '\r', '\0', '\u{1b}']), "the error is not one line of text: {text:?}");
    assert!(text.len() <= MAX_BYTES, "the error has {} bytes: {:?} …", text.len(), text.get(..200));
}
