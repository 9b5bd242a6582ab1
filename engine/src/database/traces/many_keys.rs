//! The form of a statement for many keys at once.

use std::ops::Range;

use crate::store::postgres::{Lexeme, LexemeKind, lexemes};

/// Words of statements whose result for many keys is not that of single keys together.
const REFUSED: [&str; 14] = [
    "LIMIT", "GROUP", "OFFSET", "FETCH", "DISTINCT", "UNION", "COUNT", "SUM", "AVG", "MIN", "MAX", "EXISTS", "OR",
    "NOT",
];

/// Returns the statement for many keys: `key = $1` or `$1 = key` becomes `key = ANY($1)`. `None` unless it is the only
/// placeholder, and for limits and aggregates. The caller has to assign the rows to their keys.
///
/// ```
/// use almanac_engine::database::traces::any_form;
///
/// let many = any_form("SELECT id, name FROM users WHERE id = $1");
/// assert_eq!(many.as_deref(), Some("SELECT id, name FROM users WHERE id = ANY($1)"));
/// ```
#[must_use]
pub fn any_form(text: &str) -> Option<String> {
    let all: Vec<Lexeme> = lexemes(text).into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank).collect();
    let all = Words { text, all };
    let is_refused = |word: &str| REFUSED.iter().any(|refused| word.eq_ignore_ascii_case(refused));
    let mut words = (0..all.all.len()).filter_map(|idx| all.at(idx)).filter(|(kind, _)| *kind == LexemeKind::Word);
    if !words.clone().next()?.1.eq_ignore_ascii_case("SELECT") || words.any(|(_, word)| is_refused(word)) {
        return None;
    }
    let mut parameters = (0..all.all.len()).filter(|idx| all.all[*idx].kind == LexemeKind::Parameter);
    let (Some(first), None) = (parameters.next(), parameters.next()) else { return None };
    // A cast behind the placeholder, `$1::INTEGER`, becomes one to an array.
    let (next, cast) = match (all.at(first + 1), all.at(first + 2)) {
        (Some((_, "::")), Some((LexemeKind::Word, name))) => (first + 3, format!("::{name}[]")),
        _ => (first + 1, String::new()),
    };
    let (column, range) = if first.checked_sub(1).and_then(|before| all.at(before)) == Some((LexemeKind::Symbol, "=")) {
        let column = all.column_before(first - 1).filter(|_| all.ends_condition(next))?;
        (column.clone(), column.start..all.all.get(next - 1)?.range.end)
    } else if all.at(next) == Some((LexemeKind::Symbol, "=")) {
        let (column, behind) = all.column_behind(next + 1)?;
        if !all.ends_condition(behind) {
            return None;
        }
        (column.clone(), all.all.get(first)?.range.start..column.end)
    } else {
        return None;
    };
    let column = &text[column];
    Some(format!("{}{column} = ANY($1{cast}){}", &text[..range.start], &text[range.end..]))
}

/// The lexemes of a text without blanks.
struct Words<'a> {
    text: &'a str,
    all: Vec<Lexeme>,
}

impl Words<'_> {
    fn at(&self, idx: usize) -> Option<(LexemeKind, &str)> {
        self.all.get(idx).map(|lexeme| (lexeme.kind, &self.text[lexeme.range.clone()]))
    }

    fn is_name(&self, idx: usize) -> bool {
        matches!(self.at(idx), Some((LexemeKind::Word | LexemeKind::Quoted, _)))
    }

    fn is_dot(&self, idx: usize) -> bool {
        self.at(idx) == Some((LexemeKind::Symbol, "."))
    }

    /// Returns the range of the column, with its table, that ends before this lexeme.
    fn column_before(&self, end: usize) -> Option<Range<usize>> {
        let mut first = end.checked_sub(1).filter(|idx| self.is_name(*idx))?;
        let last = first;
        while first >= 2 && self.is_dot(first - 1) && self.is_name(first - 2) {
            first -= 2;
        }
        Some(self.all.get(first)?.range.start..self.all.get(last)?.range.end)
    }

    /// Returns the range of the column, with its table, that begins with this lexeme, and the place behind it.
    fn column_behind(&self, first: usize) -> Option<(Range<usize>, usize)> {
        let mut last = Some(first).filter(|idx| self.is_name(*idx))?;
        while self.is_dot(last + 1) && self.is_name(last + 2) {
            last += 2;
        }
        Some((self.all.get(first)?.range.start..self.all.get(last)?.range.end, last + 1))
    }

    /// Returns whether a condition ends before this lexeme, so that the comparison is all of it.
    fn ends_condition(&self, idx: usize) -> bool {
        match self.at(idx) {
            None | Some((LexemeKind::Symbol, ")" | ";")) => true,
            Some((LexemeKind::Word, word)) => ["AND", "ORDER", "FOR"].iter().any(|one| word.eq_ignore_ascii_case(one)),
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_equality_becomes_any() {
        for (text, expected) in [
            ("SELECT * FROM users WHERE id = $1", Some("SELECT * FROM users WHERE id = ANY($1)")),
            (
                "SELECT * FROM users AS u WHERE u.id = $1 ORDER BY id",
                Some("SELECT * FROM users AS u WHERE u.id = ANY($1) ORDER BY id"),
            ),
            ("SELECT a FROM t WHERE t.\"k\"=$1", Some("SELECT a FROM t WHERE t.\"k\" = ANY($1)")),
            ("SELECT a FROM t WHERE k = $1::INTEGER", Some("SELECT a FROM t WHERE k = ANY($1::INTEGER[])")),
            (
                "SELECT a FROM t WHERE $1::BIGINT = t.k AND b",
                Some("SELECT a FROM t WHERE t.k = ANY($1::BIGINT[]) AND b"),
            ),
            ("SELECT a FROM t WHERE $1 = lower(k)", None),
            ("SELECT a FROM t WHERE $1 = k + 1", None),
            ("SELECT a FROM t WHERE k = $1 + 1", None),
            ("SELECT a FROM t WHERE k = $1 OR b", None),
            ("SELECT a FROM t WHERE lower(k) = $1", None),
            ("SELECT a FROM t WHERE k = $1 AND l = $2", None),
            ("SELECT a FROM t WHERE k > $1", None),
            ("SELECT a FROM t WHERE k = $1 LIMIT 1", None),
            ("SELECT count(*) FROM t WHERE k = $1", None),
            ("UPDATE t SET a = $1", None),
            ("SELECT a FROM t", None),
            ("", None),
        ] {
            assert_eq!(any_form(text).as_deref(), expected, "{text}");
        }
    }
}
