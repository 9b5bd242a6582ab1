//! Creates parse errors with their position in the expression.

use crate::signal::SignalError;

/// Maximum number of characters of the wrong piece in a message.
const MAX_PIECE: usize = 40;
/// Maximum number of characters of an expression in a message.
const MAX_EXPRESSION: usize = 200;
/// Maximum number of characters of the problem, which may name a long word of the expression.
const MAX_MESSAGE: usize = 1000;

/// Creates an error about the bytes from `start` to `end` of an expression. `message`: the problem and its correction.
pub(super) fn error_at(text: &str, start: usize, end: usize, message: impl Into<String>) -> SignalError {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let piece = text.get(start..end.max(start)).unwrap_or("").trim();
    SignalError::Parse {
        expr: shortened(text, MAX_EXPRESSION),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        piece: shortened(piece, MAX_PIECE),
        message: shortened(&message.into(), MAX_MESSAGE),
    }
}

/// Cuts a text after `max` characters.
fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
