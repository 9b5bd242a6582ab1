//! Splits PromQL into tokens with byte ranges, so that a bound can be replaced without rewriting the rest of the text.

use super::{comparison::format_bound, duration::parse_duration};

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TokenKind {
    /// A number; a duration used as a number is in seconds, as in Prometheus 3.
    Number(f64),
    /// A name, keyword or quoted string.
    Word,
    /// A binary or unary operator that is not a word.
    Operator,
    Open,
    Close,
    Comma,
    /// Braces or brackets with everything between them.
    Bracketed,
    /// `@`
    At,
}

/// A token with its byte range in the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits an expression into tokens, without comments and white space.
///
/// # Errors
/// A message about an invalid character or an unclosed bracket or string.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            blank if blank.is_whitespace() => {
                at += blank.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '(' => (TokenKind::Open, 1),
            ')' => (TokenKind::Close, 1),
            ',' => (TokenKind::Comma, 1),
            '@' => (TokenKind::At, 1),
            '{' | '[' => (TokenKind::Bracketed, bracketed(rest)?),
            '"' | '\'' | '`' => (TokenKind::Word, quoted(rest)?),
            '0'..='9' => number(rest)?,
            '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => number(rest)?,
            letter if letter.is_ascii_alphabetic() || matches!(letter, '_' | ':') => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
                let length = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                let kind = match rest[..length].to_ascii_lowercase().as_str() {
                    "inf" => TokenKind::Number(f64::INFINITY),
                    "nan" => TokenKind::Number(f64::NAN),
                    _ => TokenKind::Word,
                };
                (kind, length)
            }
            _ => match ["==", "!=", ">=", "<=", ">", "<", "+", "-", "*", "/", "%", "^"]
                .into_iter()
                .find(|operator| rest.starts_with(operator))
            {
                Some(operator) => (TokenKind::Operator, operator.len()),
                None => return Err(format!("character {first:?} at position {} is not PromQL", at + 1)),
            },
        };
        found.push(Token { kind, start: at, end: at + length });
        at += length;
    }
    Ok(found)
}

/// Rewrites numbers that not every PromQL parser supports: `1_000` as `1000`, and `5m` used as a number as `300`.
///
/// # Errors
/// As [`tokens`].
pub(super) fn plain_numbers(text: &str) -> Result<String, String> {
    let found = tokens(text)?;
    let mut plain = String::with_capacity(text.len());
    let mut copied = 0;
    for (idx, token) in found.iter().enumerate() {
        let TokenKind::Number(value) = token.kind else { continue };
        let written = &text[token.start..token.end];
        // A leading zero means octal in Prometheus, so such numbers are rewritten.
        let is_plain =
            written.parse::<f64>().is_ok() && !written.starts_with('0') || written.starts_with("0.") || written == "0";
        if is_plain || follows_offset(text, &found[..idx]) {
            continue;
        }
        plain.push_str(&text[copied..token.start]);
        plain.push_str(&format_bound(value));
        copied = token.end;
    }
    plain.push_str(&text[copied..]);
    Ok(plain)
}

/// Returns whether the token after `before` is the duration of an `offset`.
fn follows_offset(text: &str, before: &[Token]) -> bool {
    let sign = |token: &&Token| token.kind == TokenKind::Operator && matches!(&text[token.start..token.end], "-" | "+");
    let before = if before.last().as_ref().is_some_and(sign) { &before[..before.len() - 1] } else { before };
    before.last().is_some_and(|token| text[token.start..token.end].eq_ignore_ascii_case("offset"))
}

/// Reads a number or duration, and returns its length in bytes.
fn number(text: &str) -> Result<(TokenKind, usize), String> {
    let hex = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let mut length = 0;
    let mut before = ' ';
    for letter in text.chars() {
        let exponent_sign = matches!(letter, '+' | '-') && matches!(before, 'e' | 'E') && !hex;
        if !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') || exponent_sign) {
            break;
        }
        length += letter.len_utf8();
        before = letter;
    }
    let written = &text[..length];
    let value = value_of(written).ok_or_else(|| format!("{written:?} is not a number"))?;
    Ok((TokenKind::Number(value), length))
}

#[expect(clippy::cast_precision_loss, reason = "integers beyond 2^53 lose precision in PromQL as well")]
fn value_of(written: &str) -> Option<f64> {
    let digits = written.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, radix: u32| {
        lower.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok()).map(|value| value as f64)
    };
    let octal = || {
        let is_octal =
            lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        is_octal.then(|| i64::from_str_radix(&lower, 8).ok()).flatten().map(|value| value as f64)
    };
    radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(octal)
        .or_else(|| digits.parse().ok())
        .or_else(|| parse_duration(&digits).map(|millis| millis as f64 / 1e3))
}

/// Returns the length of a quoted string in bytes, including its quotes.
fn quoted(text: &str) -> Result<usize, String> {
    let mut letters = text.char_indices();
    let quote = letters.next().map(|(_, quote)| quote);
    while let Some((at, letter)) = letters.next() {
        if Some(letter) == quote {
            return Ok(at + letter.len_utf8());
        }
        if letter == '\\' && quote != Some('`') {
            letters.next();
        }
    }
    Err("a quoted string is not closed".to_owned())
}

/// Returns the length in bytes up to the bracket that closes the first one. Strings and comments inside are skipped.
fn bracketed(text: &str) -> Result<usize, String> {
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            '"' | '\'' | '`' => {
                at += quoted(&text[at..])?;
                continue;
            }
            '#' => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += letter.len_utf8();
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(format!("{} is not closed", &text[..1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_values_of_prometheus() {
        for (written, expected) in [
            ("1_000", 1_000.0),
            ("0x1F", 31.0),
            ("017", 15.0),
            ("1e3", 1_000.0),
            ("2.5e-3", 0.0025),
            (".5", 0.5),
            ("5m", 300.0),
            ("1h30m", 5_400.0),
            ("0", 0.0),
            ("089", 89.0),
        ] {
            let found = tokens(written).unwrap();
            assert_eq!(found.len(), 1, "{written}");
            assert_eq!(found[0].kind, TokenKind::Number(expected), "{written}");
        }
        for wrong in ["5x", "a $ b", "a{b=\"", "2💩", "x > 1é", "0\u{fffd}", "a{ü", "💩"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_unportable_numbers_are_rewritten() {
        for (written, plain) in [
            ("a > 1_000", "a > 1000"),
            ("time() - a > 5m", "time() - a > 300"),
            ("rate(a[5m] offset 1h) > 0.5 # 5m", "rate(a[5m] offset 1h) > 0.5 # 5m"),
            ("a offset -5m > 0", "a offset -5m > 0"),
            ("a{b=\"1_000\"} > 1e3", "a{b=\"1_000\"} > 1e3"),
        ] {
            assert_eq!(plain_numbers(written).unwrap(), plain);
        }
    }
}
