//! Character classes in brackets: `[a-z]`, `[^\d[:punct:]]`.

use regex_syntax::hir::ClassUnicode;

use super::{cursor::Cursor, escape};
use crate::series::pattern::{PatternError, class};

/// Reads a class in brackets.
pub(super) fn bracket(cursor: &mut Cursor<'_>, fold: bool) -> Result<ClassUnicode, PatternError> {
    let start = cursor.at;
    cursor.at += 1;
    let negated = cursor.rest().starts_with('^');
    cursor.at += usize::from(negated);
    let mut class = ClassUnicode::empty();
    // A closing bracket in the first position is a member of the class.
    let mut first = true;
    while first || !cursor.rest().starts_with(']') {
        first = false;
        if let Some(named) = posix_class(cursor, fold)? {
            class.union(&named);
            continue;
        }
        if let Some(named) = escape::named_class(cursor, fold)? {
            class.union(&named);
            continue;
        }
        let begin = cursor.at;
        let low = member(cursor, start)?;
        let mut high = low;
        // A hyphen before the closing bracket is a member, not a range.
        let mut after = cursor.rest().chars();
        if after.next() == Some('-') && after.next().is_some_and(|next| next != ']') {
            cursor.at += 1;
            high = member(cursor, start)?;
            if high < low {
                let hint = Some("the first character comes after the second");
                return Err(cursor.error(begin, cursor.at, "invalid character class range", hint));
            }
        }
        class.union(&class::between(low, high, fold));
    }
    cursor.at += 1;
    Ok(if negated { class::negated(class) } else { class })
}

/// Reads `[:alpha:]`; returns `None` and reads nothing when anything else is next.
fn posix_class(cursor: &mut Cursor<'_>, fold: bool) -> Result<Option<ClassUnicode>, PatternError> {
    let start = cursor.at;
    let Some((name, _)) = cursor.rest().strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
        return Ok(None);
    };
    let end = start + name.len() + 4;
    let Some(named) = class::posix(name, fold) else {
        let hint = Some(
            "POSIX classes: alnum, alpha, ascii, blank, cntrl, digit, graph, lower, print, punct, space, upper, word, xdigit",
        );
        return Err(cursor.error(start, end, "invalid character class range", hint));
    };
    cursor.at = end;
    Ok(Some(named))
}

/// Reads one code point of the class that begins at `start`.
fn member(cursor: &mut Cursor<'_>, start: usize) -> Result<u32, PatternError> {
    match cursor.peek() {
        None => {
            let hint = Some("write \\[ for the character");
            Err(cursor.error(start, cursor.text.len(), "missing closing ]", hint))
        }
        Some('\\') => escape::code_point(cursor),
        Some(other) => {
            cursor.at += other.len_utf8();
            Ok(other.into())
        }
    }
}
