//! Checks the text of an error: at the edge of the program it is one line of bounded length.

use std::error::Error;

/// Longest text of an error in bytes; a person reads it.
const MAX_BYTES: usize = 8 << 10;

/// Longest text of an error before it is shortened for a person: it may repeat an input and escape every byte of it.
const MAX_RAW_BYTES: usize = 1 << 20;

/// Asserts that an error with its sources is one line that can be read.
///
/// # Panics
/// When it is not.
pub(super) fn check(error: &(dyn Error + 'static)) {
    let text = error.to_string();
    assert!(text.len() <= MAX_RAW_BYTES, "the error has {} bytes: {:?} …", text.len(), text.get(..200));
    check_text(&almanac_api::chain(error));
}

/// Asserts that a text is one line that can be read.
///
/// # Panics
/// When it is not.
pub(super) fn check_text(text: &str) {
    assert!(!text.contains(['\n', '\r', '\0', '\u{1b}']), "the error is not one line of text: {text:?}");
    assert!(text.len() <= MAX_BYTES, "the error has {} bytes: {:?} …", text.len(), text.get(..200));
}
