//! Normalised text and fingerprint of a statement, from its tokens.

use std::hash::Hasher;

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};
use twox_hash::XxHash64;

/// Longest text that is read, in bytes. A longer one is cut at a character.
pub(super) const LONGEST: usize = 256 * 1024;

/// Returns the statement with each literal replaced by a placeholder, comments removed and white space reduced to single
/// spaces.
///
/// New placeholders are numbered after the highest one in the text, as `pg_stat_statements` numbers them. A text that
/// cannot be split into tokens, such as one with an open quote, gives the part before the error and `…`, so that no
/// literal is kept by accident.
#[must_use]
pub fn normalize(text: &str) -> String {
    let (tokens, is_whole) = tokens(text);
    let mut next = tokens.iter().filter_map(placeholder_number).max().unwrap_or(0) + 1;
    let mut out = String::with_capacity(text.len().min(LONGEST));
    let mut space = false;
    for token in &tokens {
        match token {
            Token::Whitespace(_) => space = !out.is_empty(),
            Token::SemiColon | Token::EOF => {}
            token => {
                if std::mem::take(&mut space) {
                    out.push(' ');
                }
                if is_literal(token) {
                    out.push_str(&format!("${next}"));
                    next += 1;
                } else {
                    out.push_str(&token.to_string());
                }
            }
        }
    }
    if !is_whole {
        out.push_str(" …");
    }
    out
}

/// Returns the literals of the statement in their order, as text, each with the number of the placeholder that [`normalize`]
/// puts in its place.
#[must_use]
pub fn literals(text: &str) -> Vec<(usize, String)> {
    let value = |token: Token| match token {
        Token::Number(digits, _) => digits,
        Token::SingleQuotedString(value)
        | Token::NationalStringLiteral(value)
        | Token::EscapedStringLiteral(value)
        | Token::UnicodeStringLiteral(value)
        | Token::HexStringLiteral(value) => value,
        Token::DollarQuotedString(quoted) => quoted.value,
        other => other.to_string(),
    };
    let tokens = split(text, true).0;
    let first = tokens.iter().filter_map(placeholder_number).max().unwrap_or(0) + 1;
    let found = tokens.into_iter().filter(is_literal).map(value).enumerate();
    found.map(|(nth, value)| (first + nth, value)).collect()
}

/// Returns the fingerprint of the statement's family: 16 hexadecimal digits.
///
/// It does not depend on literals, on the style of placeholders (`$1`, `?`, `%s`, `:name`), on the lengths of lists of
/// them, on the number of rows of a VALUES list, on white space, comments, or the case of unquoted words.
#[must_use]
pub fn family(text: &str) -> String {
    let mut hasher = XxHash64::with_seed(0);
    for word in canonical(text) {
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
    }
    format!("{:016x}", hasher.finish())
}

/// Returns the canonical words of a statement; `?` stands for a literal, a placeholder, or a list of them.
fn canonical(text: &str) -> Vec<String> {
    let (tokens, _) = tokens(text);
    let mut words: Vec<String> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).peekable();
    while let Some(token) = tokens.next() {
        let word = match token {
            Token::SemiColon | Token::EOF => continue,
            ref token if is_literal(token) || placeholder_number(token).is_some() => "?".to_owned(),
            Token::Placeholder(_) => "?".to_owned(),
            Token::Question if ends_operand(words.last()) => "? operator".to_owned(),
            Token::Question => "?".to_owned(),
            // `%s` and `%(name)s` of Python's drivers, `:name` of many others.
            Token::Mod if is_word(tokens.peek(), "s") => {
                tokens.next();
                "?".to_owned()
            }
            Token::Mod if tokens.peek() == Some(&Token::LParen) && !ends_operand(words.last()) => {
                while tokens.next_if(|token| !is_word(Some(token), "s")).is_some() {}
                tokens.next();
                "?".to_owned()
            }
            Token::Colon if matches!(tokens.peek(), Some(Token::Word(_))) && !ends_operand(words.last()) => {
                tokens.next();
                "?".to_owned()
            }
            Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
            Token::Word(word) => word.value,
            token => token.to_string(),
        };
        push(&mut words, word);
    }
    words
}

/// Appends a word and collapses what has become a list: `- ?` after an operator, `?, ?`, and `(?), (?)`.
fn push(words: &mut Vec<String>, word: String) {
    words.push(word);
    loop {
        let end = |n: usize| words.len().checked_sub(n).and_then(|idx| words.get(idx)).map(String::as_str);
        let removed = match (end(3), end(2), end(1)) {
            (_, Some("-" | "+"), Some("?"))
                if !ends_operand(words.len().checked_sub(3).and_then(|idx| words.get(idx))) =>
            {
                words.remove(words.len() - 2);
                continue;
            }
            (Some("?"), Some(","), Some("?")) => 2,
            (Some("("), Some("?"), Some(")")) if end(4) == Some(",") && end(5) == Some(")") && end(6) == Some("?") => 4,
            _ => 0,
        };
        if removed == 0 {
            return;
        }
        words.truncate(words.len() - removed);
    }
}

/// Returns whether an operand ends with this word, so that a sign after it is an operator.
fn ends_operand(word: Option<&String>) -> bool {
    const OPERATORS: [&str; 24] = [
        "and",
        "or",
        "not",
        "in",
        "then",
        "else",
        "when",
        "select",
        "where",
        "by",
        "like",
        "ilike",
        "between",
        "limit",
        "offset",
        "returning",
        "values",
        "set",
        "on",
        "having",
        "case",
        "is",
        "from",
        "any",
    ];
    word.is_some_and(|word| {
        let last = word.chars().next_back().unwrap_or(' ');
        (last.is_alphanumeric() || "_)]?\"".contains(last)) && !OPERATORS.contains(&word.as_str())
    })
}

fn is_word(token: Option<&Token>, text: &str) -> bool {
    matches!(token, Some(Token::Word(word)) if word.value == text)
}

/// Returns the number of a `$n` placeholder; 0 for another style.
fn placeholder_number(token: &Token) -> Option<usize> {
    match token {
        Token::Placeholder(text) => Some(text.strip_prefix('$').and_then(|digits| digits.parse().ok()).unwrap_or(0)),
        _ => None,
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedString(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
    )
}

/// Splits the text into tokens; quoted names keep their escapes. False: the text ends in the middle of a token, or is too
/// long.
fn tokens(text: &str) -> (Vec<Token>, bool) {
    split(text, false)
}

fn split(text: &str, unescape: bool) -> (Vec<Token>, bool) {
    let read = cut(text);
    let mut found = Vec::new();
    let mut tokenizer = Tokenizer::new(&PostgreSqlDialect {}, read).with_unescape(unescape);
    let is_whole = tokenizer.tokenize_with_location_into_buf(&mut found).is_ok();
    (found.into_iter().map(|found| found.token).collect(), is_whole && read.len() == text.len())
}

/// Cuts a text at [`LONGEST`] bytes, at a character.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}
