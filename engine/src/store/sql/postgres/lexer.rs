//! Splits SQL into lexemes with their positions, as PostgreSQL reads it. Never fails: an unterminated part reaches to the end.

use std::ops::Range;

/// Kind of a lexeme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexemeKind {
    /// White space or a comment.
    Blank,
    /// A keyword or an unquoted name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text constant, with its prefix (`E'…'`) or in dollar quotes.
    Text,
    /// A number.
    Number,
    /// A parameter such as `$1`.
    Parameter,
    /// An operator, or one other character.
    Symbol,
}

/// A part of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lexeme {
    /// Kind.
    pub kind: LexemeKind,
    /// Position in the text, in bytes.
    pub range: Range<usize>,
}

/// Characters of operators.
const OPERATORS: &[u8] = b"~!@#^&|`?+-*/%<>=";

/// Returns all lexemes of a text, in order and without gaps.
#[must_use]
pub fn lexemes(sql: &str) -> Vec<Lexeme> {
    let bytes = sql.as_bytes();
    let (mut all, mut start) = (Vec::new(), 0);
    while start < bytes.len() {
        let (kind, length) = next(&sql[start..]);
        // A character of several bytes is one symbol.
        let mut end = start + length.max(1);
        while !sql.is_char_boundary(end) {
            end += 1;
        }
        all.push(Lexeme { kind, range: start..end });
        start = end;
    }
    all
}

/// Returns kind and length of the first lexeme of a text that is not empty.
fn next(rest: &str) -> (LexemeKind, usize) {
    let bytes = rest.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    match bytes[0] {
        b if b.is_ascii_whitespace() => {
            (LexemeKind::Blank, bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
        }
        b'-' if second == b'-' => (LexemeKind::Blank, rest.find(['\n', '\r']).unwrap_or(rest.len())),
        b'/' if second == b'*' => (LexemeKind::Blank, comment(bytes)),
        b'\'' => (LexemeKind::Text, quoted(bytes, 0, false)),
        b'E' | b'e' if second == b'\'' => (LexemeKind::Text, quoted(bytes, 1, true)),
        b'B' | b'b' | b'X' | b'x' | b'N' | b'n' if second == b'\'' => (LexemeKind::Text, quoted(bytes, 1, false)),
        b'"' => (LexemeKind::Quoted, quoted(bytes, 0, false)),
        b'$' if second.is_ascii_digit() => {
            (LexemeKind::Parameter, 1 + bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count())
        }
        b'$' => dollar(rest).map_or((LexemeKind::Symbol, 1), |length| (LexemeKind::Text, length)),
        b if b.is_ascii_digit() || (b == b'.' && second.is_ascii_digit()) => (LexemeKind::Number, number(bytes)),
        b if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 => {
            let is_part =
                |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte == b'$' || **byte >= 0x80;
            (LexemeKind::Word, bytes.iter().take_while(is_part).count())
        }
        b':' if second == b':' => (LexemeKind::Symbol, 2),
        b if OPERATORS.contains(&b) => (LexemeKind::Symbol, operator(bytes)),
        _ => (LexemeKind::Symbol, 1),
    }
}

/// Length of a comment, in which others may be nested.
fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Length of a constant or name whose opening quote is at `open`; a doubled quote is part of it.
fn quoted(bytes: &[u8], open: usize, has_escapes: bool) -> usize {
    let (quote, mut at) = (bytes[open], open + 1);
    while at < bytes.len() {
        if has_escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// Length of a constant in dollar quotes, `$tag$…$tag$`.
fn dollar(rest: &str) -> Option<usize> {
    let close = rest[1..].find('$')? + 1;
    let tag = &rest[..=close];
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    if !tag[1..close].chars().all(plain) {
        return None;
    }
    Some(rest[close + 1..].find(tag).map_or(rest.len(), |end| close + 1 + end + tag.len()))
}

/// Length of a number, with exponent.
fn number(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let is_sign = at > 0 && matches!(byte, b'+' | b'-') && matches!(bytes[at - 1], b'e' | b'E');
        if byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'_' || is_sign {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// Length of an operator, which a comment ends.
fn operator(bytes: &[u8]) -> usize {
    let mut at = 1;
    while bytes.get(at).is_some_and(|byte| OPERATORS.contains(byte)) {
        if matches!(&bytes[at..bytes.len().min(at + 2)], b"--" | b"/*") {
            break;
        }
        at += 1;
    }
    at
}

/// One statement of a text, without the semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement, without blanks around it.
    pub text: &'a str,
    /// Position in the whole text, in bytes.
    pub start: usize,
    /// First lexemes that are not blank, at most [`HEAD`], as texts.
    pub head: Head<'a>,
}

/// Kinds and texts of lexemes.
type Head<'a> = Vec<(LexemeKind, &'a str)>;

/// Largest number of lexemes in [`Piece::head`].
pub const HEAD: usize = 64;

/// Splits a text at its semicolons; empty statements are left out.
#[must_use]
pub fn split(sql: &str) -> Vec<Piece<'_>> {
    let mut current: Option<(Range<usize>, Head<'_>)> = None;
    let mut result = Vec::new();
    for lexeme in lexemes(sql) {
        let text = &sql[lexeme.range.clone()];
        match lexeme.kind {
            LexemeKind::Blank => {}
            LexemeKind::Symbol if text == ";" => result.extend(current.take()),
            kind => {
                let (range, head) = current.get_or_insert_with(|| (lexeme.range.clone(), Vec::new()));
                range.end = lexeme.range.end;
                if head.len() < HEAD {
                    head.push((kind, text));
                }
            }
        }
    }
    result.extend(current);
    result.into_iter().map(|(range, head)| Piece { start: range.start, text: &sql[range], head }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split_outside_of_constants_and_comments() {
        let check = |sql: &str, expected: &[&str]| {
            let pieces: Vec<&str> = split(sql).iter().map(|piece| piece.text).collect();
            assert_eq!(pieces, expected, "{sql}");
        };
        check("", &[]);
        check(" ;; -- x", &[]);
        check("BEGIN; SELECT ';' /* ; /* ; */ */ ; COMMIT;", &["BEGIN", "SELECT ';'", "COMMIT"]);
        check("SELECT E'a\\';b', $x$;$x$, \"a;\"", &["SELECT E'a\\';b', $x$;$x$, \"a;\""]);
        check("SELECT 'é;' -- ;\n, 1", &["SELECT 'é;' -- ;\n, 1"]);
        check("SELECT 'open;", &["SELECT 'open;"]);
        check("SELECT 1 -- x\r; SELECT 2", &["SELECT 1", "SELECT 2"]);
    }

    #[test]
    fn lexemes_cover_every_text() {
        for sql in ["a::text<>$1->>'x'", "1e-5+.5*-2", "$a$ $", "é€\u{1}\"x", "a!~*'b'", "x<=-1", "a||-- c", "'", "$"]
        {
            let all = lexemes(sql);
            assert_eq!(all.iter().map(|lexeme| &sql[lexeme.range.clone()]).collect::<String>(), sql);
        }
        let shown: Vec<&str> = lexemes("a::int!~*$12").into_iter().map(|l| &"a::int!~*$12"[l.range]).collect();
        assert_eq!(shown, ["a", "::", "int", "!~*", "$12"]);
        let shown: Vec<&str> = lexemes("1e-5+2<=-1").into_iter().map(|l| &"1e-5+2<=-1"[l.range]).collect();
        assert_eq!(shown, ["1e-5", "+", "2", "<=-", "1"]);
    }
}
