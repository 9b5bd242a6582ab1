//! Errors with their place in an expression.

use crate::signal::SignalError;

/// Most characters of a piece of text that a message repeats.
const PIECE: usize = 40;
/// Most characters of an expression that a message repeats.
const SHOWN: usize = 200;

/// An error about the bytes from `start` to `end` of an expression: what is wrong and what would be right.
pub(super) fn wrong(text: &str, start: usize, end: usize, message: impl Into<String>) -> SignalError {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let piece = text.get(start..end.max(start)).unwrap_or("").trim();
    SignalError::Parse {
        expr: shortened(text, SHOWN),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        piece: shortened(piece, PIECE),
        message: message.into(),
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
