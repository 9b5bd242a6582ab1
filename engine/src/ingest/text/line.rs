//! Parses the parts of a line of Prometheus text.

use std::borrow::Cow;

use super::TextProblem;
use crate::{ingest::files::shorten, series::METRIC_NAME};

/// Parses the series at the start of a line: `name{label="value",…}` or `{"name",label="value",…}`.
///
/// `visit` is called with name and value of each label; the metric name is the first if it precedes the brace. Returns
/// the rest of the line.
pub(super) fn series<'a>(
    line: &'a str,
    mut visit: impl FnMut(Cow<'a, str>, Cow<'a, str>),
) -> Result<&'a str, TextProblem> {
    let name_len = line.bytes().take_while(|&b| is_name_byte(b) || b == b':').count();
    let mut named = name_len > 0;
    if named {
        if line.as_bytes()[0].is_ascii_digit() {
            return Err(TextProblem::MetricName { found: token(line) });
        }
        visit(METRIC_NAME.into(), line[..name_len].into());
    }
    let rest = &line[name_len..];
    let Some(mut rest) = skip_blanks(rest).strip_prefix('{') else {
        return if named { Ok(rest) } else { Err(TextProblem::MetricName { found: token(line) }) };
    };
    loop {
        rest = skip_blanks(rest);
        if let Some(after) = rest.strip_prefix('}') {
            return if named { Ok(after) } else { Err(TextProblem::NoName) };
        }
        let quoted_name = rest.starts_with('"');
        let (name, after_name) = label_name(rest)?;
        rest = skip_blanks(after_name);
        if let Some(after_equals) = rest.strip_prefix('=') {
            let after_equals = skip_blanks(after_equals);
            if !after_equals.starts_with('"') {
                return Err(TextProblem::LabelValue { label: name.into_owned() });
            }
            let (value, after_value) = quoted(after_equals)?;
            visit(name, value);
            rest = skip_blanks(after_value);
        } else if quoted_name {
            // A quoted string without `=` is the metric name.
            if named {
                return Err(TextProblem::SecondName);
            }
            named = true;
            visit(METRIC_NAME.into(), name);
        } else {
            return Err(TextProblem::LabelValue { label: name.into_owned() });
        }
        rest = match rest.as_bytes().first() {
            Some(b',') => &rest[1..],
            Some(b'}') => rest,
            Some(_) => return Err(TextProblem::Separator { found: token(rest) }),
            None => return Err(TextProblem::Unclosed { expected: "brace" }),
        };
    }
}

fn label_name(text: &str) -> Result<(Cow<'_, str>, &str), TextProblem> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let len = text.bytes().take_while(|&b| is_name_byte(b)).count();
    if text.is_empty() {
        return Err(TextProblem::Unclosed { expected: "brace" });
    }
    if len == 0 || text.as_bytes()[0].is_ascii_digit() {
        return Err(TextProblem::LabelName { found: token(text) });
    }
    Ok((text[..len].into(), &text[len..]))
}

/// Parses a quoted string; `\\`, `\"` and `\n` are escapes, other backslashes are kept.
pub(super) fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), TextProblem> {
    let inner = &text[1..];
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => {
                let (content, rest) = (&inner[..at], &inner[at + 1..]);
                let content = if content.contains('\\') { unescape(content).into() } else { content.into() };
                return Ok((content, rest));
            }
            _ => escaped = false,
        }
    }
    Err(TextProblem::Unclosed { expected: "quote" })
}

/// Returns the position after the closing brace of a set of labels at the start of a text.
pub(super) fn end_of_labels(text: &str) -> Option<usize> {
    let (mut in_quotes, mut escaped) = (false, false);
    if !text.starts_with('{') {
        return None;
    }
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            b'}' if !in_quotes => return Some(at + 1),
            _ => {}
        }
    }
    None
}

pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some(known @ ('\\' | '"')) => out.push(known),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Returns the text up to the next blank, shortened, for messages.
pub(super) fn token(text: &str) -> String {
    shorten(text.split([' ', '\t']).next().unwrap_or_default())
}
