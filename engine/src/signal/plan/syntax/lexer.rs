//! Splits an expression into tokens. Comments and blanks are skipped.

use super::{
    duration,
    position::error_at,
    quoted::unquoted,
    token::{Token, TokenKind},
};
use crate::signal::SignalError;

/// Symbols; a longer symbol is before its prefixes.
const SYMBOLS: [&str; 26] = [
    "==", "!=", "=~", "!~", ">=", "<=", "</", ">/", "=", ">", "<", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}",
    "[", "]", ",", ":", "@",
];

/// Characters that are confused with ASCII ones, and the correction.
const LOOK_ALIKES: [(&[char], &str); 8] = [
    (&['“', '”', '„', '«', '»', '‟'], "typographic quotes are not quotes here; write \""),
    (&['‘', '’', '‚', '‛'], "typographic quotes are not quotes here; write '"),
    (&['–', '—', '−', '‐', '‑'], "this is not a minus sign; write -"),
    (&['×', '∗'], "this is not a multiplication; write *"),
    (&['÷'], "this is not a division; write /"),
    (&['≥'], "write >="),
    (&['≤'], "write <="),
    (&['≠'], "write !="),
];

/// Splits `text` into tokens. The last token is the end.
///
/// # Errors
/// [`SignalError::Parse`] for invalid characters, numbers and strings.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SignalError> {
    let mut lexer = Lexer { text, at: 0, braces: false, brackets: false };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    tokens.push(Token { kind: TokenKind::End, start: text.len(), end: text.len() });
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    /// Byte position of the next token.
    at: usize,
    /// Whether a `{` is open. Names then contain no colons.
    braces: bool,
    /// Whether a `[` is open. `5m:1m` is then three tokens.
    brackets: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Token>, SignalError> {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let second = self.rest()[first.len_utf8()..].chars().next();
        let kind = match first {
            '"' | '\'' | '`' => self.string(first)?,
            '0'..='9' => self.number()?,
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' => self.word(),
            ':' if !self.brackets && !self.braces && second.is_some_and(|c| c == '_' || c.is_ascii_alphanumeric()) => {
                self.word()
            }
            _ => self.symbol(first)?,
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blank;
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        }
    }

    fn word(&mut self) -> TokenKind {
        let colon = !self.braces && !self.brackets;
        let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric() || (colon && c == ':');
        self.at += self.rest().find(|c: char| !is_part(c)).unwrap_or(self.rest().len());
        TokenKind::Word
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind, SignalError> {
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest().starts_with(symbol)) else {
            let known = LOOK_ALIKES.iter().find(|(characters, _)| characters.contains(&first)).map(|(_, hint)| *hint);
            let message = match first {
                '&' => "the operator is the word and".to_owned(),
                '|' => "the operator is the word or".to_owned(),
                '!' => "write != or, in a matcher, !~".to_owned(),
                '$' => "a dashboard variable was not replaced, or $ is outside of a string".to_owned(),
                other if other.is_whitespace() => "this is not an ASCII blank; write a space".to_owned(),
                other => known.map_or_else(|| format!("{other:?} is not a valid character in PromQL"), str::to_owned),
            };
            return Err(error_at(self.text, self.at, self.at + first.len_utf8(), message));
        };
        match symbol {
            "{" => self.braces = true,
            "}" => self.braces = false,
            "[" => self.brackets = true,
            "]" => self.brackets = false,
            _ => {}
        }
        self.at += symbol.len();
        Ok(TokenKind::Symbol(symbol))
    }

    fn string(&mut self, quote: char) -> Result<TokenKind, SignalError> {
        let start = self.at;
        let mut escaped = false;
        for (at, character) in self.rest().char_indices().skip(1) {
            match character {
                _ if escaped => escaped = false,
                '\\' if quote != '`' => escaped = true,
                '\n' if quote != '`' => break,
                _ if character == quote => {
                    let inner = &self.text[start + 1..start + at];
                    self.at = start + at + 1;
                    return unquoted(inner, quote).map(TokenKind::Text).map_err(|(at, length, message)| {
                        error_at(self.text, start + 1 + at, start + 1 + at + length, message)
                    });
                }
                _ => {}
            }
        }
        let message = format!("the string that starts here is never closed; write {quote} at its end");
        Err(error_at(self.text, start, self.text.len(), message))
    }

    /// Reads a number, or a duration if letters follow.
    fn number(&mut self) -> Result<TokenKind, SignalError> {
        let start = self.at;
        let length = number_length(self.rest());
        let after = &self.rest()[length..];
        let follows = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(after.len());
        let whole = &self.rest()[..length + follows];
        self.at += whole.len();
        let bad = |message: String| error_at(self.text, start, start + whole.len(), message);
        if follows == 0 {
            return number(whole).map(TokenKind::Number).ok_or_else(|| bad("this is not a number".to_owned()));
        }
        let is_duration = whole.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !is_duration {
            return Err(bad("this is neither a number nor a duration".to_owned()));
        }
        duration::parse(whole).map(TokenKind::Duration).map_err(bad)
    }
}

/// Returns the length of the number at the start of a text: digits with underscores, a fraction and an exponent, or
/// hexadecimal digits.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize, is_digit: fn(&u8) -> bool| {
        bytes[from..].iter().take_while(|byte| is_digit(byte) || **byte == b'_').count()
    };
    if text.starts_with("0x") || text.starts_with("0X") {
        return 2 + digits(2, u8::is_ascii_hexdigit);
    }
    let mut length = digits(0, u8::is_ascii_digit);
    if bytes.get(length) == Some(&b'.') {
        length += 1 + digits(length + 1, u8::is_ascii_digit);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign, u8::is_ascii_digit);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// Parses a number. Integers may be hexadecimal or, with a leading 0, octal, as in Go.
#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn number(text: &str) -> Option<f64> {
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(digits) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    let is_octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if is_octal && let Ok(value) = i64::from_str_radix(&plain, 8) {
        return Some(value as f64);
    }
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_match_prometheus() {
        let check = |text: &str, expected: Option<TokenKind>| {
            let found = tokens(text).ok().map(|mut tokens| tokens.swap_remove(0).kind);
            assert_eq!(found, expected, "{text}");
        };
        check("1", Some(TokenKind::Number(1.0)));
        check(".5", Some(TokenKind::Number(0.5)));
        check("5.", Some(TokenKind::Number(5.0)));
        check("5e-3", Some(TokenKind::Number(0.005)));
        check("0x1f", Some(TokenKind::Number(31.0)));
        check("0755", Some(TokenKind::Number(493.0)));
        check("08", Some(TokenKind::Number(8.0)));
        check("1_000_000", Some(TokenKind::Number(1e6)));
        check("1e400", Some(TokenKind::Number(f64::INFINITY)));
        check("5m", Some(TokenKind::Duration(300_000)));
        check("1d2h", Some(TokenKind::Duration(93_600_000)));
        for wrong in ["1__0", "5x", "1.2.3", "0b1", "1e", "0x", "1.5h", "1_"] {
            check(wrong, None);
        }
    }

    #[test]
    fn names_have_colons_only_outside_of_braces() {
        fn kinds(text: &str) -> Vec<&str> {
            tokens(text).unwrap().into_iter().map(|token| &text[token.start..token.end]).collect()
        }
        assert_eq!(
            kinds("job:up:sum{a=\"b:c\"}[5m:1m]"),
            ["job:up:sum", "{", "a", "=", "\"b:c\"", "}", "[", "5m", ":", "1m", "]", ""]
        );
        assert_eq!(kinds("a # sum(\n+ b"), ["a", "+", "b", ""]);
    }
}
