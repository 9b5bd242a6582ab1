//! The lexemes of a statement, and the replacements that are made in it.

use std::ops::Range;

use super::lexer::{Lexeme, LexemeKind, lexemes};

/// A replacement in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    /// Order of insertions at the same position.
    pub(super) rank: u8,
    pub(super) text: String,
}

/// Largest number of lexemes that are looked at to find a bracket or the start of a clause, so that the time of a long
/// statement grows with its length only.
const MOST_STEPS: usize = 2_000;

/// Largest number of casts and subscripts of an operand.
const MOST_CASTS: usize = 16;

/// Words before a parenthesis that is not a call.
const NO_CALLS: [&str; 28] = [
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "distinct",
    "else",
    "except",
    "from",
    "having",
    "in",
    "intersect",
    "is",
    "like",
    "limit",
    "not",
    "offset",
    "on",
    "or",
    "select",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
];

/// A statement whose lexemes are looked at by their numbers; a number outside the statement is an empty lexeme.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    sql: &'a str,
    /// Lexemes without blanks.
    pub(super) lexemes: Vec<Lexeme>,
    pub(super) edits: Vec<Edit>,
}

impl<'a> Rewriter<'a> {
    /// Reads a statement.
    pub(super) fn new(sql: &'a str) -> Self {
        let lexemes = lexemes(sql).into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank).collect();
        Self { sql, lexemes, edits: Vec::new() }
    }

    pub(super) fn text(&self, idx: usize) -> &'a str {
        self.lexemes.get(idx).map_or("", |lexeme| &self.sql[lexeme.range.clone()])
    }

    /// Returns the text of the lexeme before another one.
    pub(super) fn before(&self, idx: usize) -> &'a str {
        idx.checked_sub(1).map_or("", |before| self.text(before))
    }

    pub(super) fn kind(&self, idx: usize) -> Option<LexemeKind> {
        self.lexemes.get(idx).map(|lexeme| lexeme.kind)
    }

    pub(super) fn is(&self, idx: usize, text: &str) -> bool {
        self.text(idx).eq_ignore_ascii_case(text)
    }

    pub(super) fn is_word(&self, idx: usize) -> bool {
        self.kind(idx) == Some(LexemeKind::Word)
    }

    /// Returns a word or quoted name in lower case without its quotes; nothing for other lexemes.
    pub(super) fn name(&self, idx: usize) -> String {
        match self.kind(idx) {
            Some(LexemeKind::Word) => self.text(idx).to_lowercase(),
            Some(LexemeKind::Quoted) => self.text(idx).trim_matches('"').to_owned(),
            _ => String::new(),
        }
    }

    /// Replaces the lexemes from `first` to `last`.
    pub(super) fn replace(&mut self, first: usize, last: usize, text: impl Into<String>) {
        let (Some(start), Some(end)) = (self.lexemes.get(first), self.lexemes.get(last)) else { return };
        self.edits.push(Edit { range: start.range.start..end.range.end, rank: 0, text: text.into() });
    }

    /// Inserts a text before a lexeme.
    pub(super) fn insert_before(&mut self, idx: usize, text: impl Into<String>) {
        let Some(at) = self.lexemes.get(idx).map(|lexeme| lexeme.range.start) else { return };
        self.edits.push(Edit { range: at..at, rank: 0, text: text.into() });
    }

    /// Inserts a text after a lexeme, and after the cast of a parameter.
    pub(super) fn insert_after(&mut self, idx: usize, text: impl Into<String>) {
        let Some(at) = self.lexemes.get(idx).map(|lexeme| lexeme.range.end) else { return };
        self.edits.push(Edit { range: at..at, rank: 1, text: text.into() });
    }

    /// Returns the bracket that closes the one at `open`.
    pub(super) fn close_of(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for idx in (open..self.lexemes.len()).take(MOST_STEPS) {
            match self.text(idx) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(idx);
            }
        }
        None
    }

    /// Returns the bracket that is open at a lexeme.
    pub(super) fn open_around(&self, idx: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for idx in (0..idx).rev().take(MOST_STEPS) {
            match self.text(idx) {
                ")" | "]" => depth += 1,
                "(" | "[" if depth == 0 => return Some(idx),
                "(" | "[" => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Returns the first lexeme of the operand that ends before the lexeme `end`, as the operator `::` binds: a name, a
    /// constant, a call, or something in brackets, with its subscripts and casts.
    pub(super) fn operand_start(&self, end: usize) -> usize {
        let mut end = end;
        // Casts that follow each other are few.
        for _ in 0..MOST_CASTS {
            let last = end.saturating_sub(1);
            let start = match self.text(last) {
                ")" | "]" => {
                    let open = self.open_around(last).unwrap_or(last);
                    let is_subscript = self.text(open) == "[";
                    let precedes = open.checked_sub(1).is_some_and(|before| self.ends_operand(before));
                    if precedes && is_subscript {
                        end = open;
                        continue;
                    }
                    if precedes { self.name_start(open - 1) } else { open }
                }
                _ => self.name_start(last),
            };
            if start >= 2 && self.text(start - 1) == "::" {
                end = start - 1;
                continue;
            }
            return start;
        }
        end
    }

    /// Returns the last lexeme of the operand that starts at a lexeme: a text, a parameter, a name, a call, a `CASE`, or
    /// something in parentheses, with its subscripts; `None` for another one.
    pub(super) fn operand_end(&self, start: usize) -> Option<usize> {
        let mut end = match self.kind(start)? {
            LexemeKind::Text | LexemeKind::Parameter => start,
            LexemeKind::Symbol if self.text(start) == "(" => self.close_of(start)?,
            LexemeKind::Word if self.name(start) == "case" => self.end_of_case(start)?,
            LexemeKind::Word if ["all", "any", "array", "not", "some"].contains(&self.name(start).as_str()) => {
                return None;
            }
            LexemeKind::Word | LexemeKind::Quoted => {
                let mut end = start;
                while self.is(end + 1, ".") && !self.name(end + 2).is_empty() {
                    end += 2;
                }
                if self.is(end + 1, "(") { self.close_of(end + 1)? } else { end }
            }
            _ => return None,
        };
        for _ in 0..MOST_CASTS {
            if !self.is(end + 1, "[") {
                break;
            }
            end = self.close_of(end + 1)?;
        }
        Some(end)
    }

    /// Returns the `END` of a `CASE`.
    fn end_of_case(&self, start: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for idx in (start..self.lexemes.len()).take(MOST_STEPS) {
            if self.is(idx, "case") {
                depth += 1;
            } else if self.is(idx, "end") {
                depth -= 1;
            }
            if depth == 0 {
                return Some(idx);
            }
        }
        None
    }

    /// Returns whether an operand ends before a lexeme, so that an operator there has two operands.
    pub(super) fn follows_operand(&self, idx: usize) -> bool {
        idx.checked_sub(1).is_some_and(|before| {
            self.ends_operand(before) || matches!(self.kind(before), Some(LexemeKind::Text | LexemeKind::Number))
        })
    }

    /// Returns whether the value before a lexeme is converted to a time zone, itself or as an argument of calls around it:
    /// `… AT TIME ZONE`, or an argument of the function `timezone`.
    pub(super) fn is_zoned(&self, end: usize) -> bool {
        let mut at = end;
        for _ in 0..MOST_CASTS {
            if !self.is(at, ")") {
                break;
            }
            if self.open_around(at).is_some_and(|open| self.before(open).eq_ignore_ascii_case("timezone")) {
                return true;
            }
            at += 1;
        }
        ["at", "time", "zone"].iter().zip(at..).all(|(word, idx)| self.is(idx, word))
    }

    /// Returns whether a lexeme can be the end of what a parenthesis or a subscript belongs to.
    fn ends_operand(&self, idx: usize) -> bool {
        match self.kind(idx) {
            Some(LexemeKind::Word) => !NO_CALLS.contains(&self.name(idx).as_str()),
            Some(LexemeKind::Quoted | LexemeKind::Parameter) => true,
            _ => matches!(self.text(idx), ")" | "]"),
        }
    }

    /// Returns the start of the qualified name that ends at a lexeme.
    fn name_start(&self, idx: usize) -> usize {
        let mut start = idx;
        while start >= 2 && self.text(start - 1) == "." && !self.name(start - 2).is_empty() {
            start -= 2;
        }
        start
    }

    /// Returns whether a lexeme is an item of a FROM clause, as far as the words before it show.
    pub(super) fn is_in_from(&self, idx: usize) -> bool {
        let before = self.before(idx).to_lowercase();
        if before != "," {
            return ["from", "join", "lateral"].contains(&before.as_str());
        }
        // Back to the word that opens the clause, over what is in brackets.
        let mut at = idx;
        for _ in 0..MOST_STEPS {
            let Some(before) = at.checked_sub(1) else { return false };
            at = before;
            match self.name(at).as_str() {
                "from" | "join" | "using" => return true,
                "on" => return self.before(at).to_lowercase() != "distinct",
                "select" | "where" | "by" | "having" | "values" | "limit" => return false,
                _ => {}
            }
            match self.text(at) {
                ")" | "]" => at = self.open_around(at).unwrap_or(0),
                "(" | "[" => return false,
                _ => {}
            }
        }
        false
    }
}
