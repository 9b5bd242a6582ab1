//! Statements of spans: text without literals, family, verb.

use std::{borrow::Cow, fmt, hash::BuildHasher, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{
    many_keys::{changes_many, inserts_many, reads_many},
    placeholder::{lexemes, numbered},
};
use crate::{
    database::statement::{family, normalize},
    store::postgres::LexemeKind,
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

/// How a database writes text constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strings {
    /// In single quotes, as in standard SQL.
    #[default]
    Standard,
    /// In single quotes, in which a backslash escapes: ClickHouse, Snowflake.
    Escaped,
    /// In single or double quotes, in which a backslash escapes: MySQL, MariaDB.
    MySql,
}

/// A family of statements: those that differ only in literals and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statement {
    /// Fingerprint of the family.
    pub family: String,
    /// Text without literals, with placeholders `$n`; longer ones are cut after 4,000 characters.
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
    /// Whether the text computes an aggregate.
    pub is_aggregate: bool,
    /// Whether the text handles many rows at once, or a part of chosen size.
    pub takes_many: bool,
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
        self.read_as(text, database, Strings::Standard)
    }

    /// Reads a text whose constants are written so; otherwise as [`StatementReader::read`].
    pub fn read_as(&mut self, text: &str, database: &str, strings: Strings) -> Option<ReadStatement> {
        let hash = FixedState::default();
        let raw = hash.hash_one(text);
        let key = (raw, hash.hash_one((database, strings)));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let sent = as_standard(&text[..end], strings);
        let found = verb(&sent).map(|verb| {
            let (text, has_placeholders) = numbered(&sent);
            let (normal, family) = (self.normalise)(&text);
            let kept: String = normal.chars().take(KEPT_CHARS).collect();
            let statement = Statement { family, text: kept, verb, database: database.to_owned() };
            let takes_many = match verb {
                Verb::Select => reads_many(&text),
                Verb::Insert => inserts_many(&text),
                Verb::Write => changes_many(&text),
            };
            let is_aggregate = is_aggregate(&text);
            ReadStatement { statement: Arc::new(statement), raw, has_placeholders, is_aggregate, takes_many }
        });
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, found.clone());
        found
    }
}

/// Returns the text with an empty constant in place of each one that standard SQL reads otherwise, and without comments, so
/// that no part of a constant is taken as a name.
fn as_standard(text: &str, strings: Strings) -> Cow<'_, str> {
    let is_constant =
        |byte: u8| strings != Strings::Standard && (byte == b'\'' || (byte == b'"' && strings == Strings::MySql));
    if !text.bytes().any(is_constant) {
        return Cow::Borrowed(text);
    }
    let (bytes, mut out) = (text.as_bytes(), String::with_capacity(text.len()));
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let line = bytes[at..].starts_with(b"--") || (bytes[at] == b'#' && strings == Strings::MySql);
        let (end, instead) = match bytes[at] {
            quote if is_constant(quote) => (quoted_end(bytes, at, true), "''"),
            b'`' | b'"' => {
                at = quoted_end(bytes, at, false);
                continue;
            }
            _ if line => (text[at..].find('\n').map_or(bytes.len(), |length| at + length), " "),
            _ if bytes[at..].starts_with(b"/*") => {
                (text[at + 2..].find("*/").map_or(bytes.len(), |length| at + length + 4), " ")
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out.push_str(&text[copied..at]);
        out.push_str(instead);
        (at, copied) = (end, end);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Returns the end of a constant or a name that begins with a quote; a doubled quote is part of it.
fn quoted_end(bytes: &[u8], open: usize, has_escapes: bool) -> usize {
    let (quote, mut at) = (bytes[open], open + 1);
    while at < bytes.len() {
        if (has_escapes && bytes[at] == b'\\') || (bytes[at] == quote && bytes.get(at + 1) == Some(&quote)) {
            at += 2;
        } else if bytes[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Returns whether a statement computes an aggregate.
fn is_aggregate(text: &str) -> bool {
    const AGGREGATES: [&str; 5] = ["COUNT", "SUM", "AVG", "MIN", "MAX"];
    let all = lexemes(text);
    all.windows(2).any(|pair| {
        let [name, next] = [&text[pair[0].range.clone()], &text[pair[1].range.clone()]];
        pair[0].kind == LexemeKind::Word && next == "(" && AGGREGATES.iter().any(|one| name.eq_ignore_ascii_case(one))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_of_mysql_are_not_kept() {
        let mut reader = StatementReader::default();
        let mut text_of = |sent: &str, strings| reader.read_as(sent, "", strings).unwrap().statement.text.clone();
        for sent in [
            r#"SELECT a FROM t WHERE b = "secret""#,
            r"SELECT a FROM t WHERE b = 'it\'s secret'",
            r#"SELECT a FROM t WHERE b = "a ""secret"" b""#,
            "SELECT a FROM t # it's secret\nWHERE b = 'x'",
            "SELECT a FROM t /* it's secret */ WHERE b = 'x'",
            "SELECT a FROM t -- it's secret\nWHERE b = 'x'",
        ] {
            assert_eq!(text_of(sent, Strings::MySql), "SELECT a FROM t WHERE b = $1", "{sent}");
        }
        for sent in [
            r"SELECT a FROM t WHERE b = 'secret\",
            "SELECT a FROM t WHERE b = \"secrété",
            "SELECT `a` FROM t WHERE b = 'secret",
        ] {
            assert!(!text_of(sent, Strings::MySql).contains("secr"), "{sent}");
        }
        let escaped = r#"SELECT "a'b" FROM t WHERE c = 'it\'s secret'"#;
        assert_eq!(text_of(escaped, Strings::Escaped), r#"SELECT "a'b" FROM t WHERE c = $1"#);
        let standard = r#"SELECT "a" FROM t WHERE c = 'x\' AND d = 'y'"#;
        assert_eq!(text_of(standard, Strings::Standard), r#"SELECT "a" FROM t WHERE c = $1 AND d = $2"#);
        // Texts that differ in their constants stay different.
        let raw = [1, 2]
            .map(|id| reader.read_as(&format!("SELECT a FROM t WHERE b = \"{id}\""), "", Strings::MySql).unwrap().raw);
        assert_ne!(raw[0], raw[1]);
    }

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
        let (first, second) = ("UPDATE t SET a = %(a)s WHERE b = %(b)s", "update t set a = ? where b = ?");
        let texts = [first, second].map(|text| reader.read(text, "").unwrap().statement);
        assert_eq!((texts[0].text.as_str(), &texts[0].family), ("UPDATE t SET a = $1 WHERE b = $2", &texts[1].family));
        assert!(!reader.read("SELECT a FROM t WHERE b = 1", "").unwrap().has_placeholders);
        for idx in 0..REMEMBERED + 10 {
            reader.read(&format!("SELECT a FROM t{idx}"), "");
        }
        assert!(reader.known.len() <= REMEMBERED);
    }
}
