//! Translates operators: matches of regular expressions, and `OPERATOR(schema.op)`.

use super::{lexer::LexemeKind, rewriter::Rewriter};

/// Operators that match a regular expression.
pub(super) const MATCHES: [&str; 4] = ["~", "~*", "!~", "!~*"];

/// Translates a match of a regular expression at `operator`, written as the lexemes from `first`, whose right operand is at
/// `right`: PostgreSQL finds the expression anywhere in the text, DuckDB matches the whole text. Returns the number of
/// lexemes that are done.
pub(super) fn matches(rewriter: &mut Rewriter<'_>, first: usize, operator: usize, right: usize) -> usize {
    let written = rewriter.text(operator);
    if !rewriter.follows_operand(first) {
        // The complement of a number: `~5`.
        return 1;
    }
    let flags = if written.ends_with('*') { "(?is)" } else { "(?s)" };
    let plain = written.trim_end_matches('*');
    // A text in dollar quotes is an operand as any other.
    let quoted = Some(rewriter.text(right))
        .filter(|text| rewriter.kind(right) == Some(LexemeKind::Text) && !text.starts_with('$'));
    if let Some((prefix, inner)) = quoted.and_then(|pattern| pattern.split_once('\'')) {
        let inner = inner.strip_suffix('\'').unwrap_or(inner);
        rewriter.replace(first, right - 1, plain);
        rewriter.replace(right, right, format!("{prefix}'{flags}.*(?:{inner}).*'"));
        return right + 1 - first;
    }
    if let Some(end) = rewriter.operand_end(right) {
        rewriter.replace(first, right - 1, plain);
        rewriter.insert_before(right, format!("('{flags}.*(?:' || "));
        rewriter.insert_after(end, " || ').*')");
    } else if first != operator {
        rewriter.replace(first, right - 1, written.to_owned());
    }
    // The operand is translated itself.
    right - first
}

/// Translates `OPERATOR([schema .] op)` and returns the number of lexemes that are done.
pub(super) fn operator(rewriter: &mut Rewriter<'_>, at: usize) -> usize {
    let operator = if rewriter.is(at + 3, ".") { at + 4 } else { at + 2 };
    if !rewriter.is(operator + 1, ")") {
        return 1;
    }
    if MATCHES.contains(&rewriter.text(operator)) {
        return matches(rewriter, at, operator, operator + 2);
    }
    rewriter.replace(at, operator + 1, rewriter.text(operator).to_owned());
    operator + 2 - at
}
