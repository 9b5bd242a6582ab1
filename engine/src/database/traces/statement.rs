//! Statements of spans: text without literals, family, verb; and the form of a statement for many keys at once.

use std::{fmt, hash::BuildHasher, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::{
    database::statement::{family, normalize},
    store::postgres::{self, Lexeme, LexemeKind},
};

/// Statements that a reader remembers by their text; beyond, it forgets all of them.
const REMEMBERED: usize = 2_048;
/// Longest text that is read, in bytes; the rest is left out.
const TEXT_MAX: usize = 64 << 10;
/// Longest text that is kept, in characters.
const KEPT_CHARS: usize = 4_000;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Reads rows.
    #[default]
    Select,
    /// Inserts rows.
    Insert,
    /// Updates, deletes or merges rows.
    Write,
}

/// A family of statements: those that differ only in literals and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statement {
    /// Fingerprint of the family.
    pub family: String,
    /// Text without literals; longer ones are cut after 4,000 characters.
    pub text: String,
    /// What it does.
    pub verb: Verb,
    /// Name of the database; empty if unknown.
    pub database: String,
}

/// A text as it was sent, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadStatement {
    /// The family.
    pub statement: Arc<Statement>,
    /// Hash of the text as it was sent.
    pub raw: u64,
    /// Whether the text has placeholders.
    pub has_placeholders: bool,
}

/// Gives the text without literals, and the fingerprint of its family.
pub type Normalise = fn(&str) -> (String, String);

/// Reads texts of statements, and remembers what it has read.
pub struct StatementReader {
    normalise: Normalise,
    known: HashMap<(u64, u64), Option<ReadStatement>>,
}

impl fmt::Debug for StatementReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementReader").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Default for StatementReader {
    fn default() -> Self {
        Self::new(|text| (normalize(text), family(text)))
    }
}

impl StatementReader {
    /// Returns a reader that uses this function for text and family.
    #[must_use]
    pub fn new(normalise: Normalise) -> Self {
        Self { normalise, known: HashMap::new() }
    }

    /// Reads a text sent to a database. `None` for what belongs to no loop: control of transactions and sessions, reads
    /// of a cursor, and statements without a table, such as `SELECT 1`.
    pub fn read(&mut self, text: &str, database: &str) -> Option<ReadStatement> {
        let hash = FixedState::default();
        let raw = hash.hash_one(text);
        let key = (raw, hash.hash_one(database));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        let found = verb(text).map(|verb| {
            let (normal, family) = (self.normalise)(text);
            let kept: String = normal.chars().take(KEPT_CHARS).collect();
            let statement = Statement { family, text: kept, verb, database: database.to_owned() };
            ReadStatement { statement: Arc::new(statement), raw, has_placeholders: has_placeholders(text) }
        });
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, found.clone());
        found
    }
}

/// Returns the verb of a statement that reads or writes a table.
fn verb(text: &str) -> Option<Verb> {
    let words: Vec<String> = lexemes(text)
        .iter()
        .filter(|lexeme| lexeme.kind == LexemeKind::Word)
        .map(|lexeme| text[lexeme.range.clone()].to_ascii_uppercase())
        .collect();
    let has = |word: &str| words.iter().any(|found| found == word);
    match words.first()?.as_str() {
        "INSERT" | "REPLACE" => Some(Verb::Insert),
        "UPDATE" | "DELETE" | "MERGE" => Some(Verb::Write),
        // A common table expression may end in any verb.
        "WITH" if has("INSERT") => Some(Verb::Insert),
        "WITH" if has("UPDATE") || has("DELETE") || has("MERGE") => Some(Verb::Write),
        "SELECT" | "WITH" if has("FROM") => Some(Verb::Select),
        _ => None,
    }
}

/// Operators in front of a placeholder from which the lexer does not separate it, as in `id=?`.
const BEFORE: [&str; 11] = ["=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/"];

/// Returns the lexemes of a text, with the start of a placeholder apart from the operator before it.
fn lexemes(text: &str) -> Vec<Lexeme> {
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

/// Returns the length of a placeholder at the start of the lexemes, in lexemes: `?`, `$1`, `%s`, `%(name)s`, `:name`,
/// `@name`.
fn placeholder(text: &str, lexemes: &[Lexeme]) -> Option<usize> {
    let at = |idx: usize| lexemes.get(idx).map(|lexeme| (lexeme.kind, &text[lexeme.range.clone()]));
    match (at(0)?, at(1), at(2), at(3)) {
        ((LexemeKind::Parameter, _), ..) | ((LexemeKind::Symbol, "?"), ..) => Some(1),
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

fn has_placeholders(text: &str) -> bool {
    let all = lexemes(text);
    (0..all.len()).any(|idx| placeholder(text, &all[idx..]).is_some())
}

/// Returns the statement for many keys: `= $1` becomes `= ANY($1)`, if the statement has that one placeholder, no limit
/// and no aggregate. The caller has to assign the rows to their keys.
#[must_use]
pub fn any_form(text: &str) -> Option<String> {
    let all: Vec<Lexeme> = lexemes(text).into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank).collect();
    let at = |idx: usize| all.get(idx).map(|lexeme| (lexeme.kind, &text[lexeme.range.clone()]));
    let is_word = |word: &str| {
        all.iter().any(|one| one.kind == LexemeKind::Word && text[one.range.clone()].eq_ignore_ascii_case(word))
    };
    if !is_word("SELECT")
        || ["LIMIT", "GROUP", "OFFSET", "FETCH", "DISTINCT", "UNION"].into_iter().any(is_word)
        || ["COUNT", "SUM", "AVG", "MIN", "MAX", "EXISTS"].into_iter().any(is_word)
    {
        return None;
    }
    let found: Vec<(usize, usize)> =
        (0..all.len()).filter_map(|idx| Some((idx, placeholder(text, &all[idx..])?))).collect();
    let [(first, length)] = found[..] else { return None };
    let before = first.checked_sub(1).and_then(at)?;
    let is_column = first
        .checked_sub(2)
        .and_then(at)
        .is_some_and(|(kind, _)| matches!(kind, LexemeKind::Word | LexemeKind::Quoted));
    if before != (LexemeKind::Symbol, "=") || !is_column {
        return None;
    }
    // A cast behind the placeholder, `$1::INTEGER`, is one to an array.
    let (mut end, mut cast) = (all.get(first + length - 1)?.range.end, String::new());
    if let (Some((_, "::")), Some((LexemeKind::Word, name))) = (at(first + length), at(first + length + 1)) {
        cast = format!("::{name}[]");
        end = all.get(first + length + 1)?.range.end;
    }
    let start = all.get(first)?.range.start;
    Some(format!("{}ANY($1{cast}){}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_of_sessions_and_cursors_are_no_statements() {
        let mut reader = StatementReader::default();
        for text in [
            "BEGIN",
            "COMMIT",
            "SELECT 1",
            "FETCH FORWARD 100 FROM c",
            "SET x = 1",
            "",
            "SAVEPOINT a",
            "SHOW all",
            "((",
        ] {
            assert_eq!(reader.read(text, "app"), None, "{text}");
        }
        for (text, expected) in [
            ("SELECT a FROM t", Verb::Select),
            ("WITH x AS (SELECT 1) SELECT * FROM x", Verb::Select),
            ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", Verb::Write),
            ("insert into t values (1)", Verb::Insert),
        ] {
            let read = reader.read(text, "app").unwrap();
            assert_eq!((read.statement.verb, read.statement.database.as_str()), (expected, "app"), "{text}");
        }
        assert!(reader.read("SELECT a FROM t WHERE b = ?", "").unwrap().has_placeholders);
        assert!(!reader.read("SELECT a FROM t WHERE b = 1", "").unwrap().has_placeholders);
        for idx in 0..REMEMBERED + 10 {
            reader.read(&format!("SELECT a FROM t{idx}"), "");
        }
        assert!(reader.known.len() <= REMEMBERED);
    }

    #[test]
    fn one_equality_becomes_any() {
        for (text, expected) in [
            ("SELECT * FROM users WHERE id = $1", Some("SELECT * FROM users WHERE id = ANY($1)")),
            (
                "SELECT * FROM users AS u WHERE u.id = ? ORDER BY id",
                Some("SELECT * FROM users AS u WHERE u.id = ANY($1) ORDER BY id"),
            ),
            ("SELECT a FROM t WHERE t.\"k\" = %(id_1)s", Some("SELECT a FROM t WHERE t.\"k\" = ANY($1)")),
            ("SELECT a FROM t WHERE k = $1::INTEGER", Some("SELECT a FROM t WHERE k = ANY($1::INTEGER[])")),
            ("SELECT a FROM t WHERE k = $1 AND l = $2", None),
            ("SELECT a FROM t WHERE k > $1", None),
            ("SELECT a FROM t WHERE k = $1 LIMIT 1", None),
            ("SELECT count(*) FROM t WHERE k = $1 GROUP BY x", None),
            ("SELECT count(*) FROM t WHERE k = $1", None),
            ("SELECT a FROM t WHERE k=?", Some("SELECT a FROM t WHERE k=ANY($1)")),
            ("UPDATE t SET a = $1", None),
            ("SELECT a FROM t", None),
        ] {
            assert_eq!(any_form(text).as_deref(), expected, "{text}");
        }
    }
}
