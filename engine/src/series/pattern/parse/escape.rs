//! Escape sequences: named classes such as `\d` and `\p{Greek}`, and single characters such as `\n` and `\x7f`.
//!
//! Assertions (`\A`, `\b`) and quotes (`\Q`) are valid outside brackets alone; `parser` reads those.

use regex_syntax::hir::ClassUnicode;

use super::cursor::Cursor;
use crate::series::pattern::{PatternError, class};

/// Reads `\d`, `\pN`, `\p{Greek}` and similar; returns `None` and reads nothing when anything else is next.
pub(super) fn named_class(cursor: &mut Cursor<'_>, fold: bool) -> Result<Option<ClassUnicode>, PatternError> {
    let start = cursor.at;
    let mut characters = cursor.rest().chars();
    let (Some('\\'), Some(letter)) = (characters.next(), characters.next()) else { return Ok(None) };
    if let Some(class) = class::perl(letter, fold) {
        cursor.at += 2;
        return Ok(Some(class));
    }
    if !matches!(letter, 'p' | 'P') {
        return Ok(None);
    }
    let after = &cursor.text[start + 2..];
    let name = match after.strip_prefix('{') {
        Some(after) => after.split_once('}').map(|(name, _)| (name, name.len() + 2)),
        None => after.chars().next().map(|letter| (&after[..letter.len_utf8()], letter.len_utf8())),
    };
    let hint = Some("a category such as \\pL or \\p{Lu}, or a script such as \\p{Greek}");
    let Some((name, length)) = name else {
        return Err(cursor.error(start, cursor.text.len(), "invalid character class range", hint));
    };
    let end = start + 2 + length;
    let class = class::unicode(name, fold, letter == 'P');
    cursor.at = end;
    class.map(Some).ok_or_else(|| cursor.error(start, end, "invalid character class range", hint))
}

/// Reads an escaped character; returns `None` for a surrogate.
pub(super) fn character(cursor: &mut Cursor<'_>) -> Result<Option<char>, PatternError> {
    code_point(cursor).map(char::from_u32)
}

/// Reads an escaped code point.
pub(super) fn code_point(cursor: &mut Cursor<'_>) -> Result<u32, PatternError> {
    let start = cursor.at;
    cursor.at += 1;
    let Some(next) = cursor.next() else {
        let hint = Some("write \\\\ for the character");
        return Err(cursor.error(start, cursor.at, "trailing backslash at end of expression", hint));
    };
    let is_octal = |c: Option<char>| c.is_some_and(|c| ('0'..='7').contains(&c));
    let code = match next {
        // A single digit would be a backreference, which RE2 lacks; two digits or a leading zero are octal.
        '1'..='7' if !is_octal(cursor.peek()) => None,
        '0'..='7' => {
            let digits = cursor.rest().bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
            cursor.at += digits;
            u32::from_str_radix(&cursor.text[cursor.at - digits - 1..cursor.at], 8).ok()
        }
        'x' => hexadecimal(cursor),
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => Some(other.into()),
        _ => None,
    };
    code.ok_or_else(|| {
        let hint = match next {
            '1'..='9' => Some("RE2 does not support backreferences"),
            'Z' => Some("write \\z for the end of the text"),
            'x' => Some("write \\x7f or \\x{10ffff}"),
            'E' => Some("\\E needs a \\Q before it"),
            _ => None,
        };
        cursor.error(start, cursor.at, "invalid escape sequence", hint)
    })
}

/// Reads the digits after `\x`: two, or any number in braces.
fn hexadecimal(cursor: &mut Cursor<'_>) -> Option<u32> {
    if cursor.rest().starts_with('{') {
        cursor.at += 1;
        let end = cursor.rest().find('}');
        let digits = &cursor.text[cursor.at..cursor.at + end.unwrap_or(cursor.rest().len())];
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        // Any number of leading zeros is allowed.
        let code = if digits.bytes().all(|b| b == b'0') {
            Some(0)
        } else {
            u32::from_str_radix(digits.trim_start_matches('0'), 16).ok()
        };
        cursor.at += digits.len() + usize::from(end.is_some());
        return code.filter(|code| is_hex && end.is_some() && *code <= u32::from(char::MAX));
    }
    let mut code = 0;
    for _ in 0..2 {
        code = code * 16 + cursor.next()?.to_digit(16)?;
    }
    Some(code)
}
