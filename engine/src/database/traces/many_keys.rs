//! The form of a statement for many keys at once, and statements that have such a form already.

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
    let all = Words::of(text);
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

/// Functions that return the rows of an array or a document.
const ROWS_OF: [&str; 5] =
    ["UNNEST", "JSON_TO_RECORDSET", "JSONB_TO_RECORDSET", "JSON_POPULATE_RECORDSET", "JSONB_POPULATE_RECORDSET"];

/// Returns whether a read is one of many keys (`= ANY($1)`, `IN ($1, $2)`), of a page, or of work that other workers skip.
pub(super) fn reads_many(text: &str) -> bool {
    let all = Words::of(text);
    all.skips_locked() || all.is_page() || all.has_keys()
}

/// Returns whether an insert has the rows of an array, or several rows of values.
pub(super) fn inserts_many(text: &str) -> bool {
    let all = Words::of(text);
    if all.skips_locked() || ROWS_OF.iter().any(|name| all.find(name).is_some()) {
        return true;
    }
    let Some(values) = all.find("VALUES") else { return false };
    let mut depth = 0_usize;
    for idx in values + 1..all.all.len() {
        match all.at(idx) {
            Some((LexemeKind::Symbol, "(")) => depth += 1,
            Some((LexemeKind::Symbol, ")")) => depth = depth.saturating_sub(1),
            Some((LexemeKind::Symbol, ",")) if depth == 0 => return true,
            Some((LexemeKind::Word, _)) if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

/// Returns whether a change has many keys, the rows of an array, a limited part of the rows, or work that other workers skip.
pub(super) fn changes_many(text: &str) -> bool {
    let all = Words::of(text);
    let has_rows = ROWS_OF.iter().any(|name| all.find(name).is_some());
    has_rows || all.skips_locked() || all.has_limit() || all.has_keys()
}

/// The lexemes of a text without blanks.
struct Words<'a> {
    text: &'a str,
    all: Vec<Lexeme>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let all = lexemes(text).into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank).collect();
        Self { text, all }
    }

    fn at(&self, idx: usize) -> Option<(LexemeKind, &str)> {
        self.all.get(idx).map(|lexeme| (lexeme.kind, &self.text[lexeme.range.clone()]))
    }

    fn is_word(&self, idx: usize, word: &str) -> bool {
        matches!(self.at(idx), Some((LexemeKind::Word, found)) if found.eq_ignore_ascii_case(word))
    }

    fn is_symbol(&self, idx: usize, symbol: &str) -> bool {
        self.at(idx) == Some((LexemeKind::Symbol, symbol))
    }

    /// Returns whether this lexeme is a parameter or a constant.
    fn is_value(&self, idx: usize) -> bool {
        matches!(self.at(idx), Some((LexemeKind::Parameter | LexemeKind::Text | LexemeKind::Number, _)))
    }

    /// Returns the place of the first lexeme that is this word.
    fn find(&self, word: &str) -> Option<usize> {
        (0..self.all.len()).find(|idx| self.is_word(*idx, word))
    }

    fn skips_locked(&self) -> bool {
        self.find("SKIP").is_some_and(|idx| self.is_word(idx + 1, "LOCKED"))
    }

    /// Returns whether there is a limit other than one row.
    fn has_limit(&self) -> bool {
        let is_other = |idx: usize| self.at(idx) != Some((LexemeKind::Number, "1"));
        (0..self.all.len()).any(|idx| {
            let (limit, fetch) = (self.is_word(idx, "LIMIT"), self.is_word(idx, "FETCH"));
            (limit && is_other(idx + 1)) || (fetch && is_other(idx + 2))
        })
    }

    /// Returns whether a read skips rows, or continues behind a key: `(a, b) < ($1, $2) ORDER BY a, b LIMIT $3`.
    fn is_page(&self) -> bool {
        let is_start = |idx: usize| self.at(idx) == Some((LexemeKind::Number, "0"));
        if self.find("OFFSET").is_some_and(|idx| !is_start(idx + 1)) {
            return true;
        }
        let Some(condition) = self.find("WHERE") else { return false };
        let is_behind = |idx: usize| {
            ["<", ">", "<=", ">="].iter().any(|symbol| self.is_symbol(idx, symbol))
                && (self.is_value(idx + 1) || self.is_symbol(idx + 1, "("))
        };
        self.find("ORDER").is_some() && self.has_limit() && (condition..self.all.len()).any(is_behind)
    }

    /// Returns whether the rows are chosen by a list of keys, and by no single one.
    fn has_keys(&self) -> bool {
        let Some(condition) = self.find("WHERE") else { return false };
        let mut has_list = false;
        for idx in condition + 1..self.all.len() {
            if self.is_symbol(idx, "=") {
                if self.is_word(idx + 1, "ANY") {
                    has_list |= self.is_symbol(idx + 2, "(") && !self.is_word(idx + 3, "SELECT");
                } else if self.is_value(idx + 1) || self.is_value(idx - 1) || self.is_symbol(idx + 2, "(") {
                    return false;
                }
            } else if self.is_word(idx, "IN") && !self.is_word(idx - 1, "NOT") {
                has_list |= self.is_list(idx + 1);
            }
        }
        has_list
    }

    /// Returns whether a list of at least two begins with this lexeme.
    fn is_list(&self, open: usize) -> bool {
        if !self.is_symbol(open, "(") || self.is_word(open + 1, "SELECT") {
            return false;
        }
        let mut depth = 0_usize;
        for idx in open..self.all.len() {
            match self.at(idx) {
                Some((LexemeKind::Symbol, "(")) => depth += 1,
                Some((LexemeKind::Symbol, ")")) if depth <= 1 => return false,
                Some((LexemeKind::Symbol, ")")) => depth -= 1,
                Some((LexemeKind::Symbol, ",")) if depth == 1 => return true,
                _ => {}
            }
        }
        false
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
    fn statements_for_many_rows_are_told_from_those_for_one() {
        for (text, expected) in [
            ("SELECT a FROM t WHERE id = ANY($1)", true),
            ("SELECT a FROM t WHERE id IN ($1, $2, $3)", true),
            ("SELECT a FROM t JOIN u ON t.x = u.x WHERE t.y = u.y AND t.id IN (1, 2)", true),
            ("SELECT a FROM t WHERE id IN ($1)", false),
            ("SELECT a FROM t WHERE (a, b) IN (($1, $2))", false),
            ("SELECT a FROM t WHERE id NOT IN ($1, $2)", false),
            ("SELECT a FROM t WHERE id IN (SELECT b, c FROM u)", false),
            ("SELECT a FROM t WHERE id = ANY(SELECT b FROM u)", false),
            ("SELECT a FROM t WHERE state IN ($1, $2) AND owner_id = $3", false),
            ("SELECT a FROM t WHERE state IN ($1, $2) AND $3 = t.owner_id", false),
            ("SELECT a FROM t WHERE state IN ($1, $2) AND lower(email) = lower($3)", false),
            ("SELECT a FROM t WHERE id > $1 ORDER BY id LIMIT $2", true),
            ("SELECT a FROM t WHERE (a, id) < ($1, $2) ORDER BY a, id FETCH FIRST 50 ROWS ONLY", true),
            ("SELECT a FROM t ORDER BY id LIMIT 10 OFFSET $1", true),
            ("SELECT a FROM t WHERE u = $1 ORDER BY id LIMIT 1 OFFSET 0", false),
            ("SELECT a FROM t WHERE u = $1 AND at < $2 ORDER BY at DESC LIMIT 1", false),
            ("SELECT a FROM t WHERE u = $1 AND at > now() ORDER BY at LIMIT 5", false),
            ("SELECT a FROM t WHERE u = $1 ORDER BY at LIMIT 5", false),
            ("SELECT a FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED", true),
            ("SELECT a FROM t WHERE", false),
            ("", false),
        ] {
            assert_eq!(reads_many(text), expected, "{text}");
        }
        for (text, expected) in [
            ("INSERT INTO t (a, b) VALUES ($1, $2)", false),
            ("INSERT INTO t (a, b) VALUES (f($1), (SELECT 1)) ON CONFLICT (a) DO UPDATE SET a = f(1), b = 2", false),
            ("INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)", true),
            ("INSERT INTO t SELECT * FROM unnest($1::BIGINT[])", true),
            ("INSERT INTO t SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = $1)", false),
            ("INSERT INTO t DEFAULT VALUES", false),
        ] {
            assert_eq!(inserts_many(text), expected, "{text}");
        }
        for (text, expected) in [
            ("UPDATE t SET a = $1 WHERE id = $2", false),
            ("UPDATE t SET a = $1 WHERE id = ANY($2)", true),
            ("UPDATE t SET a = x.a FROM unnest($1, $2) AS x(id, a) WHERE t.id = x.id", true),
            ("DELETE FROM t WHERE id IN (SELECT id FROM t WHERE at < $1 LIMIT 1000)", true),
            ("DELETE FROM t WHERE id = ? LIMIT 1", false),
            ("UPDATE j SET s = 'x' WHERE id = (SELECT id FROM j FOR UPDATE SKIP LOCKED LIMIT 1)", true),
        ] {
            assert_eq!(changes_many(text), expected, "{text}");
        }
    }

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
