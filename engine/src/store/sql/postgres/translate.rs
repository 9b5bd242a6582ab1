//! Translates names, casts, operators and constants of PostgreSQL to those of DuckDB, and positions back.

use std::ops::Range;

use super::{
    ParamType,
    lexer::{Lexeme, LexemeKind, lexemes},
};
use crate::store::schema::{
    TABLES, is_catalogue_function, is_catalogue_relation, is_information_relation, relation_oid,
};

/// A replacement in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    /// Order of insertions at the same position.
    rank: u8,
    text: String,
}

/// A translated statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store::sql) struct Translation {
    source: String,
    /// Replacements in order, without overlaps.
    edits: Vec<Edit>,
    /// Number of each parameter and the position of its end, in order.
    parameters: Vec<(usize, usize)>,
}

impl Translation {
    /// Translates a statement.
    pub(in crate::store::sql) fn new(sql: &str) -> Self {
        let all = lexemes(sql);
        let mut translator = Translator {
            sql,
            lexemes: all.into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank).collect(),
            edits: Vec::new(),
        };
        translator.run();
        let parameters = translator
            .lexemes
            .iter()
            .filter(|lexeme| lexeme.kind == LexemeKind::Parameter)
            .filter_map(|lexeme| Some((sql[lexeme.range.clone()][1..].parse().ok()?, lexeme.range.end)))
            .collect();
        let mut translation = Self { source: sql.to_owned(), edits: translator.edits, parameters };
        translation.order();
        translation
    }

    /// Returns the translated text.
    pub(in crate::store::sql) fn text(&self) -> String {
        apply(&self.source, &self.edits)
    }

    /// Adds a cast to each parameter.
    pub(in crate::store::sql) fn cast(&mut self, types: &[ParamType]) {
        for (number, end) in &self.parameters {
            if let Some(found) = number.checked_sub(1).and_then(|idx| types.get(idx)) {
                self.edits.push(Edit { range: *end..*end, rank: 0, text: format!("::{}", found.sql()) });
            }
        }
        self.order();
    }

    /// Sorts the replacements, and drops those that overlap an earlier one.
    fn order(&mut self) {
        self.edits.sort_by_key(|edit| (edit.range.start, edit.range.end, edit.rank));
        let mut from = 0;
        self.edits.retain(|edit| {
            let fits = edit.range.start >= from;
            from = if fits { edit.range.end } else { from };
            fits
        });
    }

    /// Returns the position in the source, in characters from 1, of a position in the translated text in bytes.
    pub(in crate::store::sql) fn position(&self, translated: usize) -> u64 {
        let (mut source, mut target) = (0, 0);
        for edit in &self.edits {
            let kept = edit.range.start - source;
            if translated < target + kept {
                break;
            }
            target += kept;
            source = edit.range.start;
            if translated < target + edit.text.len() {
                return characters(&self.source, source);
            }
            target += edit.text.len();
            source = edit.range.end;
        }
        characters(&self.source, source + (translated - target))
    }
}

/// Returns the number of the character at a position in bytes, from 1.
fn characters(text: &str, at: usize) -> u64 {
    text.char_indices().take_while(|(start, _)| *start < at).count() as u64 + 1
}

fn apply(source: &str, edits: &[Edit]) -> String {
    let (mut out, mut from) = (String::with_capacity(source.len() + 64), 0);
    for edit in edits {
        out.push_str(&source[from..edit.range.start]);
        out.push_str(&edit.text);
        from = edit.range.end;
    }
    out + &source[from..]
}

struct Translator<'a> {
    sql: &'a str,
    /// Lexemes without blanks.
    lexemes: Vec<Lexeme>,
    edits: Vec<Edit>,
}

/// Returns what a type of PostgreSQL is in DuckDB, where the name differs or means something else.
fn type_in_duckdb(name: &str) -> Option<&'static str> {
    Some(match name {
        "name" | "regclass" | "regtype" | "regproc" | "regprocedure" | "regrole" | "regnamespace" | "regoper"
        | "\"char\"" | "cstring" | "pg_node_tree" | "aclitem" | "unknown" | "xml" | "citext" | "inet"
        | "int2vector" | "oidvector" | "bpchar" => "VARCHAR",
        "oid" | "xid" | "cid" => "BIGINT",
        "jsonb" => "JSON",
        // Instants are compared with the column `timestamp`, which is UTC.
        "timestamptz" => "TIMESTAMP",
        _ => return None,
    })
}

impl<'a> Translator<'a> {
    fn text(&self, idx: usize) -> &'a str {
        self.lexemes.get(idx).map_or("", |lexeme| &self.sql[lexeme.range.clone()])
    }

    /// Returns a word or quoted name in lower case without its quotes; nothing for other lexemes.
    fn name(&self, idx: usize) -> String {
        match self.lexemes.get(idx).map(|lexeme| lexeme.kind) {
            Some(LexemeKind::Word) => self.text(idx).to_lowercase(),
            Some(LexemeKind::Quoted) => self.text(idx).trim_matches('"').to_owned(),
            _ => String::new(),
        }
    }

    fn is(&self, idx: usize, text: &str) -> bool {
        self.text(idx).eq_ignore_ascii_case(text)
    }

    fn kind(&self, idx: usize) -> Option<LexemeKind> {
        self.lexemes.get(idx).map(|lexeme| lexeme.kind)
    }

    /// Replaces the lexemes from `first` to `last`.
    fn replace(&mut self, first: usize, last: usize, text: impl Into<String>) {
        let (Some(start), Some(end)) = (self.lexemes.get(first), self.lexemes.get(last)) else { return };
        self.edits.push(Edit { range: start.range.start..end.range.end, rank: 0, text: text.into() });
    }

    fn run(&mut self) {
        let mut at = 0;
        while at < self.lexemes.len() {
            at += match self.kind(at) {
                Some(LexemeKind::Symbol) => self.symbol(at),
                Some(LexemeKind::Word | LexemeKind::Quoted) => self.word(at),
                _ => 1,
            };
        }
    }

    /// Translates an operator or a cast, and returns the number of lexemes that are done.
    fn symbol(&mut self, at: usize) -> usize {
        match self.text(at) {
            "::" => self.cast(at),
            "~" | "~*" | "!~" | "!~*" => self.regex(at, at, at + 1),
            _ => 1,
        }
    }

    /// Translates `… :: [pg_catalog .] type`, and the constant before it.
    fn cast(&mut self, at: usize) -> usize {
        let is_qualified = self.name(at + 1) == "pg_catalog" && self.is(at + 2, ".");
        let first = at + 1;
        let last = if is_qualified { at + 3 } else { first };
        let written =
            if self.kind(last) == Some(LexemeKind::Quoted) { self.text(last).to_owned() } else { self.name(last) };
        let before = at.checked_sub(1).filter(|before| self.kind(*before) == Some(LexemeKind::Text));
        if let Some(before) = before
            && self.constant(before, last, &written)
        {
            return last + 1 - at;
        }
        if let Some(plain) = type_in_duckdb(&written) {
            self.replace(first, last, plain);
        } else if is_qualified {
            self.replace(first, last, self.text(last).to_owned());
        }
        last + 1 - at
    }

    /// Translates a text constant with its cast: `'samples'::regclass` and `'{a,b}'::text[]`.
    fn constant(&mut self, before: usize, last: usize, written: &str) -> bool {
        let constant = self.text(before).trim_matches('\'');
        if written == "regclass" {
            let name = constant
                .trim_start_matches("pg_catalog.")
                .trim_start_matches("public.")
                .trim_matches('"')
                .to_lowercase();
            let oid = relation_oid(&name).map_or_else(|| "NULL::BIGINT".to_owned(), |oid| format!("{oid}::BIGINT"));
            self.replace(before, last, oid);
            return true;
        }
        if written == "regtype" {
            let call = format!("postgres.to_regtype({})", self.text(before));
            self.replace(before, last, call);
            return true;
        }
        if self.is(last + 1, "[")
            && self.is(last + 2, "]")
            && let Some(items) = constant.strip_prefix('{').and_then(|items| items.strip_suffix('}'))
        {
            let items = format!("'[{items}]'");
            self.replace(before, before, items);
        }
        false
    }

    /// Translates a match of a regular expression at `operator`, written as the lexemes from `first`, whose right operand is
    /// at `right`: PostgreSQL finds the expression anywhere in the text, DuckDB matches the whole text.
    fn regex(&mut self, first: usize, operator: usize, right: usize) -> usize {
        let written = self.text(operator);
        let flags = if written.ends_with('*') { "(?is)" } else { "(?s)" };
        let plain = written.trim_end_matches('*');
        match self.kind(right) {
            Some(LexemeKind::Text) => {
                let pattern = self.text(right);
                let Some((prefix, inner)) = pattern.split_once('\'') else { return right - first };
                let inner = inner.strip_suffix('\'').unwrap_or(inner);
                let pattern = format!("{prefix}'{flags}.*(?:{inner}).*'");
                self.replace(first, right - 1, plain);
                self.replace(right, right, pattern);
                right + 1 - first
            }
            Some(LexemeKind::Parameter) => {
                let end = self.lexemes.get(right).map_or(0, |lexeme| lexeme.range.end);
                self.replace(first, right - 1, format!("{plain} ('{flags}.*(?:' || "));
                // After the cast of the parameter.
                self.edits.push(Edit { range: end..end, rank: 1, text: " || ').*')".to_owned() });
                right + 1 - first
            }
            _ => {
                if first != operator {
                    self.replace(first, right - 1, written.to_owned());
                }
                right - first
            }
        }
    }

    /// Translates a name, and returns the number of lexemes that are done.
    fn word(&mut self, at: usize) -> usize {
        let name = self.name(at);
        let after_dot = at > 0 && self.is(at - 1, ".");
        if after_dot {
            return 1;
        }
        let before = |text: &str| at > 0 && self.is(at - 1, text);
        match name.as_str() {
            "pg_catalog" if self.is(at + 1, ".") => return self.qualified(at),
            "information_schema" if self.is(at + 1, ".") && is_information_relation(&self.name(at + 2)) => {
                let relation = format!("pg_information.{}", self.name(at + 2));
                self.replace(at, at + 2, relation);
                return 3;
            }
            "public" if self.is(at + 1, ".") && TABLES.iter().any(|table| table.name == self.name(at + 2)) => {
                self.replace(at, at, "main");
                return 3;
            }
            "collate" => return self.collate(at),
            "operator" if self.is(at + 1, "(") => return self.operator(at),
            "current_schema" | "current_user" | "session_user" | "current_role" | "current_catalog"
                if !self.is(at + 1, "(") && !self.is(at + 1, ".") && !before("as") =>
            {
                self.replace(at, at, format!("postgres.\"{name}\"()"));
                return 1;
            }
            _ => {}
        }
        if self.is(at + 1, "(") {
            if is_catalogue_function(&name) {
                self.replace(at, at, format!("postgres.\"{name}\""));
            }
        } else if is_catalogue_relation(&name)
            && !self.is(at + 1, ".")
            && ["from", "join", "only", ","].iter().any(|word| before(word))
        {
            self.replace(at, at, format!("postgres.{name}"));
        } else if before("as")
            && self.is(at + 1, ")")
            && let Some(plain) = type_in_duckdb(&name)
            && self.in_cast(at)
        {
            self.replace(at, at, plain);
        }
        1
    }

    /// Whether the parenthesis that ends after `at` is that of a `CAST`.
    fn in_cast(&self, at: usize) -> bool {
        let mut depth = 0_usize;
        for idx in (0..at).rev() {
            match self.text(idx) {
                ")" => depth += 1,
                "(" if depth == 0 => return idx > 0 && self.is(idx - 1, "cast"),
                "(" => depth -= 1,
                _ => {}
            }
        }
        false
    }

    /// Translates `pg_catalog . name`.
    fn qualified(&mut self, at: usize) -> usize {
        let name = self.name(at + 2);
        let is_call = self.is(at + 3, "(");
        let text = if (is_call && is_catalogue_function(&name)) || (!is_call && is_catalogue_relation(&name)) {
            format!("postgres.\"{name}\"")
        } else if at > 0 && self.is(at - 1, "as") {
            type_in_duckdb(&name).map_or_else(|| self.text(at + 2).to_owned(), str::to_owned)
        } else {
            self.text(at + 2).to_owned()
        };
        self.replace(at, at + 2, text);
        3
    }

    /// Drops the collations `default` and `C`, in which DuckDB compares anyway.
    fn collate(&mut self, at: usize) -> usize {
        let last = if self.name(at + 1) == "pg_catalog" && self.is(at + 2, ".") { at + 3 } else { at + 1 };
        if ["default", "c", "C", "POSIX", "posix"].contains(&self.name(last).as_str()) {
            self.replace(at, last, "");
        }
        last + 1 - at
    }

    /// Translates `OPERATOR([schema .] op)`.
    fn operator(&mut self, at: usize) -> usize {
        let operator = if self.is(at + 3, ".") { at + 4 } else { at + 2 };
        if !self.is(operator + 1, ")") {
            return 1;
        }
        if ["~", "~*", "!~", "!~*"].contains(&self.text(operator)) {
            return self.regex(at, operator, operator + 2);
        }
        let text = self.text(operator).to_owned();
        self.replace(at, operator + 1, text);
        operator + 2 - at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::postgres::ParamKind;

    #[test]
    fn names_casts_and_operators_are_translated() {
        let check = |sql: &str, expected: &str| assert_eq!(Translation::new(sql).text(), expected, "{sql}");
        for same in
            ["SELECT 'pg_catalog.x', \"public\" FROM samples -- pg_class", "SELECT labels['a']::INTEGER, x -> 'y'", ""]
        {
            check(same, same);
        }
        check(
            "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c, pg_namespace n WHERE pg_catalog.pg_table_is_visible(c.oid)",
            "SELECT c.oid::VARCHAR FROM postgres.\"pg_class\" c, postgres.pg_namespace n WHERE postgres.\"pg_table_is_visible\"(c.oid)",
        );
        check("SELECT pg_catalog.count(*) FROM public.samples", "SELECT count(*) FROM main.samples");
        check(
            "c.relname OPERATOR(pg_catalog.~) '^(samples)$' COLLATE pg_catalog.default",
            "c.relname ~ '(?s).*(?:^(samples)$).*' ",
        );
        check("a !~* E'\\\\.x'", "a !~ E'(?is).*(?:\\\\.x).*'");
        check(
            "'pg_class'::regclass, '{r,v}'::text[], CAST(x AS name), CAST(x AS pg_catalog.text)",
            "1259::BIGINT, '[r,v]'::text[], CAST(x AS VARCHAR), CAST(x AS text)",
        );
        check(
            "SELECT current_schema, current_user AS u, version()",
            "SELECT postgres.\"current_schema\"(), postgres.\"current_user\"() AS u, postgres.\"version\"()",
        );
        check("SELECT * FROM information_schema.tables t", "SELECT * FROM pg_information.tables t");
    }

    #[test]
    fn parameters_get_casts_and_positions_lead_back() {
        let mut translation = Translation::new("SELECT é, pg_catalog.version() WHERE a ~ $1 AND b > $2 AND bad");
        translation.cast(&[ParamType::one(ParamKind::Text), ParamType::one(ParamKind::Double)]);
        let text = translation.text();
        assert_eq!(
            text,
            "SELECT é, postgres.\"version\"() WHERE a ~ ('(?s).*(?:' || $1::VARCHAR || ').*') AND b > $2::DOUBLE AND bad"
        );
        let source = "SELECT é, pg_catalog.version() WHERE a ~ $1 AND b > $2 AND bad";
        for word in ["SELECT", "WHERE", "bad", "b >"] {
            let expected =
                source.chars().collect::<String>().find(word).map(|at| source[..at].chars().count() as u64 + 1);
            assert_eq!(Some(translation.position(text.find(word).unwrap())), expected, "{word}");
        }
        assert_eq!(translation.position(text.find("postgres").unwrap()), 11);
        assert!(translation.position(10_000) > 0);
    }
}
