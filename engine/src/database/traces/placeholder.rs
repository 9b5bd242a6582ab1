//! Placeholders of statements in all styles of drivers, as `$n`.

use std::collections::BTreeMap;

use crate::store::postgres::{self, Lexeme, LexemeKind};

/// Operators in front of a placeholder from which the lexer does not separate it, as in `id=?`.
const BEFORE: [&str; 11] = ["=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/"];

/// Words behind which an operand begins. Behind other words, `?`, `%`, `:` and `@` are operators.
const OPERANDS_FOLLOW: [&str; 26] = [
    "AND",
    "ANY",
    "BETWEEN",
    "BY",
    "CASE",
    "ELSE",
    "FROM",
    "HAVING",
    "ILIKE",
    "IN",
    "INTERVAL",
    "IS",
    "LIKE",
    "LIMIT",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "RETURNING",
    "SELECT",
    "SET",
    "THEN",
    "VALUES",
    "WHEN",
    "WHERE",
    "TOP",
];

/// Returns the lexemes of a text, with the start of a placeholder apart from the operator before it.
pub(super) fn lexemes(text: &str) -> Vec<Lexeme> {
    let mut all = Vec::new();
    for lexeme in postgres::lexemes(text) {
        let symbol = &text[lexeme.range.clone()];
        match symbol.strip_suffix(['?', '%', '@']) {
            Some(operator) if lexeme.kind == LexemeKind::Symbol && BEFORE.contains(&operator) => {
                let middle = lexeme.range.end - 1;
                all.push(Lexeme { kind: LexemeKind::Symbol, range: lexeme.range.start..middle });
                all.push(Lexeme { kind: LexemeKind::Symbol, range: middle..lexeme.range.end });
            }
            _ => all.push(lexeme),
        }
    }
    all
}

/// Returns the statement with `$n` in place of `?`, `%s`, `%(name)s`, `:name` and `@name`, and whether it has
/// placeholders. Numbers follow the highest one of the text; a name keeps its number.
pub(super) fn numbered(text: &str) -> (String, bool) {
    let all = lexemes(text);
    let number = |lexeme: &Lexeme| text[lexeme.range.clone()].strip_prefix('$')?.parse::<usize>().ok();
    let of_text = all.iter().filter(|lexeme| lexeme.kind == LexemeKind::Parameter).filter_map(number).max();
    let (mut highest, mut names) = (of_text.unwrap_or(0), BTreeMap::new());
    let (mut out, mut idx, mut follows_operand) = (String::with_capacity(text.len()), 0, false);
    while let Some(lexeme) = all.get(idx) {
        let word = &text[lexeme.range.clone()];
        let length = if follows_operand { None } else { placeholder(text, &all[idx..]) };
        if let Some(length) = length {
            let end = all.get(idx + length - 1).map_or(lexeme.range.end, |last| last.range.end);
            let whole = &text[lexeme.range.start..end];
            let known = names.get(whole).copied().filter(|_| !matches!(whole, "?" | "%s" | "%d" | "%b" | "%t"));
            let number = known.unwrap_or_else(|| {
                highest = highest.saturating_add(1);
                highest
            });
            names.insert(whole, number);
            out.push_str(&format!("${number}"));
            follows_operand = true;
            idx += length;
            continue;
        }
        out.push_str(word);
        follows_operand = match lexeme.kind {
            LexemeKind::Blank => follows_operand,
            LexemeKind::Word => !OPERANDS_FOLLOW.contains(&word.to_ascii_uppercase().as_str()),
            LexemeKind::Symbol => matches!(word, ")" | "]"),
            _ => true,
        };
        idx += 1;
    }
    (out, highest > 0)
}

/// Returns the length of a placeholder other than `$n` at the start of the lexemes, in lexemes.
fn placeholder(text: &str, lexemes: &[Lexeme]) -> Option<usize> {
    let at = |idx: usize| lexemes.get(idx).map(|lexeme| (lexeme.kind, &text[lexeme.range.clone()]));
    match (at(0)?, at(1), at(2), at(3)) {
        ((LexemeKind::Symbol, "?"), ..) => Some(1),
        ((LexemeKind::Symbol, "%"), Some((LexemeKind::Word, "s" | "d" | "b" | "t")), ..)
        | ((LexemeKind::Symbol, ":" | "@"), Some((LexemeKind::Word, _)), ..) => Some(2),
        (
            (LexemeKind::Symbol, "%"),
            Some((LexemeKind::Symbol, "(")),
            Some((LexemeKind::Word, _)),
            Some((LexemeKind::Symbol, ")")),
        ) if matches!(at(4), Some((LexemeKind::Word, "s" | "d" | "b" | "t"))) => Some(5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_all_styles_are_numbered() {
        for (text, expected, has) in [
            ("SELECT a FROM t WHERE b = ? AND c IN (?, ?)", "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)", true),
            ("SELECT a FROM t WHERE b=%s AND c<%s", "SELECT a FROM t WHERE b=$1 AND c<$2", true),
            ("UPDATE t SET a=%(x)s, b=%(y)s WHERE c=%(x)s", "UPDATE t SET a=$1, b=$2 WHERE c=$1", true),
            ("SELECT a FROM t WHERE b = :id LIMIT :n", "SELECT a FROM t WHERE b = $1 LIMIT $2", true),
            ("SELECT a FROM t WHERE b = @p1", "SELECT a FROM t WHERE b = $1", true),
            ("SELECT a FROM t WHERE b = $1 AND c = $2", "SELECT a FROM t WHERE b = $1 AND c = $2", true),
            ("SELECT a FROM t WHERE b ? 'x' AND a % s = 1", "SELECT a FROM t WHERE b ? 'x' AND a % s = 1", false),
            ("SELECT a::text, '?', \"?\" -- ?", "SELECT a::text, '?', \"?\" -- ?", false),
            ("", "", false),
        ] {
            assert_eq!(numbered(text), (expected.to_owned(), has), "{text}");
        }
    }
}
