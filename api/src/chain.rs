//! Formats an error and its sources in one line of bounded length, for people and terminals.

use std::{error::Error, fmt::Write};

/// Longest message in bytes; a message that repeats what was sent can be as long as that.
const MAX_BYTES: usize = 4 << 10;

/// Bytes kept of the end of a longer message, which often says what would be right.
const END_BYTES: usize = 512;

/// Returns an error with all its sources, `outer: inner: innermost`, as `one_line`.
///
/// ```
/// let error = std::io::Error::other("line 3\n  is short\u{1b}[2J");
/// assert_eq!(almanac_api::chain(&error), "line 3 is short\\u{1b}[2J");
/// ```
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        // Some libraries repeat the source's message in their own.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = inner.source();
    }
    one_line(&text)
}

/// Returns a message as one line: its lines joined by blanks, other control characters escaped, its middle left out when
/// it is long.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(2 * MAX_BYTES));
    for part in text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in part.chars() {
            if letter.is_control() && letter != '\t' {
                let _ = write!(line, "{}", letter.escape_default());
            } else {
                line.push(letter);
            }
        }
    }
    if line.len() <= MAX_BYTES {
        return line;
    }
    let head = line.floor_char_boundary(MAX_BYTES - END_BYTES);
    let tail = line.ceil_char_boundary(line.len() - END_BYTES);
    format!("{} … {}", &line[..head], &line[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\n  b\r\n\r\nc\td"), "a b c\td");
        assert_eq!(one_line("x\0y\u{1b}[2Jz\u{9b}"), "x\\u{0}y\\u{1b}[2Jz\\u{9b}");
        let long = format!("start {} end", "💩".repeat(20_000));
        let line = one_line(&long);
        assert!(line.starts_with("start 💩") && line.ends_with("💩 end") && line.contains(" … "), "{line}");
        assert!((MAX_BYTES - 8..MAX_BYTES + 8).contains(&line.len()), "{}", line.len());
    }
}
