//! Splits a text of SQL into statements, without reading what is inside them.

/// A statement with the line on which it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Line, from 1.
    pub(super) line: u64,
    /// Text without the semicolon; comments in front are left out.
    pub(super) text: &'a str,
}

/// Splits a text at its semicolons. Meta-commands of psql (`\restrict`, `\connect`) and the rows of `COPY … FROM stdin`
/// are left out.
pub(super) fn split(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    let advance = |rest: &mut &str, line: &mut u64, bytes: usize| {
        let (passed, after) = rest.split_at_checked(bytes).unwrap_or((*rest, ""));
        *line += passed.matches('\n').count() as u64;
        *rest = after;
    };
    loop {
        let skipped = rest.len() - rest.trim_start().len();
        advance(&mut rest, &mut line, skipped);
        let Some(first) = rest.chars().next() else { return found };
        if let Some(length) = comment(rest) {
            advance(&mut rest, &mut line, length);
        } else if first == '\\' {
            let end = line_end(rest);
            advance(&mut rest, &mut line, end);
        } else {
            let end = statement_end(rest);
            let statement = rest.get(..end).unwrap_or_default().trim_end();
            if !statement.is_empty() {
                found.push(Part { line, text: statement });
            }
            let is_copy = is_copy(statement);
            // The semicolon too.
            advance(&mut rest, &mut line, end + 1);
            if is_copy {
                let end = rest.find("\n\\.").map_or(rest.len(), |at| at + 3);
                advance(&mut rest, &mut line, end);
            }
        }
    }
}

fn is_copy(statement: &str) -> bool {
    let is_head = statement.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("copy "));
    is_head && statement.to_ascii_lowercase().contains(" from stdin")
}

fn line_end(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Returns the length of the comment at the start of a text.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(line_end(text));
    }
    if !text.starts_with("/*") {
        return None;
    }
    // Comments nest in PostgreSQL.
    let (mut depth, mut at) = (1_usize, 2);
    while depth > 0 {
        let rest = text.get(at..)?;
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        match (open, close) {
            (_, None) => return Some(text.len()),
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                at += open + 2;
            }
            (_, Some(close)) => {
                depth -= 1;
                at += close + 2;
            }
        }
    }
    Some(at)
}

/// Returns the position of the semicolon that ends the first statement, or the length of the text.
fn statement_end(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.find([';', '\'', '"', '$', '-', '/']) else { return text.len() };
        let here = at + next;
        let Some(tail) = text.get(here..) else { return text.len() };
        at = here
            + match tail.chars().next() {
                Some(';') => return here,
                Some('\'') => {
                    let escapes = text.get(..here).is_some_and(|before| before.ends_with(['E', 'e']));
                    quoted(tail, '\'', escapes)
                }
                Some('"') => quoted(tail, '"', false),
                Some('$') => dollar_quoted(tail),
                _ => comment(tail).unwrap_or(1),
            };
    }
    text.len()
}

/// Returns the length of a quoted text, with both quotes; a doubled quote reads as two texts.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut escaped = false;
    for (idx, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if escapes => escaped = true,
            c if c == quote => return idx + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of `$tag$ … $tag$`, or 1 for a dollar that starts none.
fn dollar_quoted(text: &str) -> usize {
    let Some(end) = text.get(1..).and_then(|rest| rest.find('$')) else { return 1 };
    let Some(tag) = text.get(..end + 2) else { return 1 };
    let name = tag.trim_matches('$');
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return 1;
    }
    let close = text.get(tag.len()..).and_then(|rest| rest.find(tag));
    close.map_or(text.len(), |close| close + 2 * tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split_outside_of_quotes_and_comments() {
        let check = |text: &str, expected: &[(u64, &str)]| {
            let found: Vec<(u64, &str)> = split(text).iter().map(|part| (part.line, part.text)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("SELECT 1;\nSELECT 2", &[(1, "SELECT 1"), (2, "SELECT 2")]);
        check("-- a; b\n/* c; /* d; */ e; */ SELECT ';', \";\" ;;", &[(2, "SELECT ';', \";\"")]);
        check(
            "CREATE FUNCTION f() AS $body$ a; $1; $body$;\n\\restrict x;y\nSELECT $1;",
            &[(1, "CREATE FUNCTION f() AS $body$ a; $1; $body$"), (3, "SELECT $1")],
        );
        check(
            "COPY t (a) FROM stdin;\n1;2\nit's\n\\.\n\nSELECT E'\\';' ;",
            &[(1, "COPY t (a) FROM stdin"), (6, "SELECT E'\\';'")],
        );
        check("SELECT 'it''s; open", &[(1, "SELECT 'it''s; open")]);
        check("SELECT 5 - 3 / 2;", &[(1, "SELECT 5 - 3 / 2")]);
        check("", &[]);
    }
}
