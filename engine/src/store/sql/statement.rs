//! Parses an analyst's statement with DuckDB's parser, without running it, and checks the parse tree.

use std::collections::BTreeSet;

use duckdb::Connection;

use super::{
    SqlDialect, SqlError, SqlParam,
    advice::instead_of_statement,
    check::{check, check_ranges, check_wildcards, names_catalogue, wildcards_beside_parameters},
    postgres::{ParamType, Translation, infer, output_names, parameter_count},
    promql::{NAME, PromqlSite, sites},
};
use crate::store::{
    AnalystLimits,
    error::one_line,
    schema::{TABLES, table_function},
};

/// Maximum number of tables that a statement scans after view expansion; planning more takes long and cannot be
/// interrupted.
const SCANS: u64 = 5_000;

/// A checked statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Statement {
    /// Text to run.
    pub(in crate::store) text: String,
    /// Views that the statement may read: a superset, since names of common table expressions count too.
    pub(in crate::store) views: BTreeSet<&'static str>,
    /// Number of references to views over the segments, which are many tables.
    samples: u64,
    /// Whether the statement names the catalogue of PostgreSQL.
    pub(in crate::store) uses_catalogue: bool,
    /// Types of the parameters, in the dialect of PostgreSQL.
    pub(in crate::store) types: Vec<ParamType>,
    /// `EXPLAIN ` or `EXPLAIN ANALYZE ` or nothing, with which the text starts.
    pub(in crate::store) explain: &'static str,
    translation: Option<Translation>,
    /// Names of the columns for clients of PostgreSQL, where they differ from DuckDB's.
    names: Vec<Option<String>>,
    /// Length in bytes of what stands in the text before the caller's.
    prefix: usize,
    /// Calls of `promql` in the text.
    pub(super) promql: Vec<PromqlSite>,
    /// Places in the text at which bytes of the caller's were replaced by more, and how many more.
    grown: Vec<(usize, usize)>,
}

impl Statement {
    /// Parses a statement and checks it.
    ///
    /// The text is passed as a value to `json_serialize_sql`, not prepared: preparing would already run all statements
    /// but the last. The parser serializes SELECTs only, so `EXPLAIN` is split off before and prepended again.
    pub(in crate::store) fn new(
        connection: &Connection,
        sql: &str,
        params: &[SqlParam],
        limits: &AnalystLimits,
        dialect: &SqlDialect,
    ) -> Result<Self, SqlError> {
        let limit = limits.sql_bytes as u64;
        let texts =
            || params.iter().filter_map(|param| if let SqlParam::Text(text) = param { Some(text) } else { None });
        let length = (sql.len() + texts().map(String::len).sum::<usize>()) as u64;
        if length > limit {
            return Err(SqlError::TooComplex { what: "length in bytes".into(), found: length, limit });
        }
        if sql.contains('\0') {
            return Err(SqlError::Invalid { message: "the statement contains a zero byte".to_owned(), position: None });
        }
        let mut translation = match dialect {
            SqlDialect::DuckDb => None,
            SqlDialect::Postgres { .. } => Some(Translation::new(sql)),
        };
        let translated = translation.as_ref().map(Translation::text);
        let text = translated.as_deref().unwrap_or(sql);
        let (explain, inner) = split_explain(text);
        let described: String = connection
            .query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [inner], |row| row.get(0))
            .map_err(|error| SqlError::Invalid { message: one_line(&error), position: None })?;
        let parsed = parse(&described, limits.nesting)?;
        if parsed.get("error").and_then(serde_json::Value::as_bool) == Some(true) {
            let position = |at: usize| Some(translation.as_ref()?.position(text.len() - inner.len() + at));
            return Err(not_parsed(&parsed, inner, position));
        }
        let statements = parsed.get("statements").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
        let [statement] = statements else {
            return Err(SqlError::StatementCount { count: statements.len() as u64 });
        };
        let references = check(statement, limits)?;
        check_ranges(statement)?;
        if let Some(others) = wildcards_beside_parameters(statement) {
            texts().try_for_each(|text| {
                ['%', '*'].into_iter().try_for_each(|wildcard| check_wildcards(text, wildcard, others))
            })?;
        }
        let mut views = BTreeSet::new();
        collect_views(statement, &mut views);
        let uses_catalogue = names_catalogue(statement);
        let (mut types, mut names) = (Vec::new(), Vec::new());
        let mut text = format!("{explain}{inner}");
        if let (Some(translation), SqlDialect::Postgres { types: declared }) = (&mut translation, dialect) {
            let count = parameter_count(statement);
            if explain.is_empty() {
                names = output_names(statement);
            }
            types = infer(statement, &views, declared);
            types.truncate(count);
            translation.cast(&types);
            text = translation.text();
        }
        let mut promql = sites(statement)?;
        if !promql.is_empty() {
            if translation.is_some() {
                // The text has changed since it was parsed.
                promql = sites(&serialized(connection, &text[explain.len()..], limits.nesting)?)?;
            }
            promql.iter_mut().for_each(|site| site.at += explain.len());
        }
        let checked = Self {
            text,
            views,
            samples: references.samples,
            uses_catalogue,
            types,
            explain,
            translation,
            names,
            prefix: 0,
            promql,
            grown: Vec::new(),
        };
        // A call that cannot be given its number is refused before anything is evaluated.
        checked.with_numbered_promql()?;
        Ok(checked)
    }

    /// Returns a statement that the service has written itself.
    pub(super) fn trusted(text: String) -> Self {
        Self {
            text,
            views: BTreeSet::new(),
            samples: 0,
            uses_catalogue: false,
            types: Vec::new(),
            explain: "",
            translation: None,
            names: Vec::new(),
            prefix: 0,
            promql: Vec::new(),
            grown: Vec::new(),
        }
    }

    /// Returns whether other work comes before the statement can run.
    pub(in crate::store) const fn calls_promql(&self) -> bool {
        !self.promql.is_empty()
    }

    /// Returns the statement in which each call of `promql` names the function with its number.
    pub(super) fn with_numbered_promql(&self) -> Result<Self, SqlError> {
        let mut numbered = self.clone();
        for (number, site) in self.promql.iter().enumerate().rev() {
            let written = self.text.get(site.at..).unwrap_or_default();
            let name = [NAME.len(), NAME.len() + 2].into_iter().find(|&length| {
                written.get(..length).is_some_and(|word| word.trim_matches('"').eq_ignore_ascii_case(NAME))
            });
            let Some(length) = name else {
                let message = "promql: write the name of the function without a schema".to_owned();
                return Err(SqlError::Invalid { message, position: None });
            };
            let with_number = format!("{NAME}_{number}");
            numbered.grown.push((site.at, with_number.len().saturating_sub(length)));
            numbered.text.replace_range(site.at..site.at + length, &with_number);
        }
        numbered.grown.reverse();
        Ok(numbered)
    }

    /// Returns the statement that describes this one.
    pub(super) fn describing(&self) -> Self {
        // A query of SHOW or DESCRIBE is described as a table.
        let is_show =
            ["SHOW", "DESCRIBE", "DESC", "SUMMARIZE"].iter().any(|word| strip_word(&self.text, word).is_some());
        let (prefix, suffix) = if is_show { ("DESCRIBE SELECT * FROM (", "\n)") } else { ("DESCRIBE ", "") };
        Self { text: format!("{prefix}{}{suffix}", self.text), prefix: prefix.len(), names: Vec::new(), ..self.clone() }
    }

    /// Returns the name of a column for the client; `width` is the number of columns.
    pub(super) fn name_for_client(&self, idx: usize, width: usize, name: &str) -> String {
        let named = self.names.get(idx).filter(|_| self.names.len() == width).cloned().flatten();
        named.unwrap_or_else(|| name.to_owned())
    }

    /// Returns the name of a type of a column: an integer without a sign is an object identifier where clients of
    /// PostgreSQL read the catalogue.
    pub(super) fn type_for_client(&self, name: String) -> String {
        match name.as_str() {
            "UINTEGER" if self.is_of_catalogue() => "OID".to_owned(),
            "UINTEGER[]" if self.is_of_catalogue() => "OID[]".to_owned(),
            _ => name,
        }
    }

    const fn is_of_catalogue(&self) -> bool {
        self.uses_catalogue && self.translation.is_some()
    }

    /// Returns the position in the caller's text, in characters from 1, of a position in the text that runs, in bytes.
    pub(super) fn position(&self, at: usize) -> Option<u64> {
        let mut at = at.checked_sub(self.prefix)?;
        for (from, more) in &self.grown {
            at -= if at > *from { (*more).min(at - from) } else { 0 };
        }
        Some(self.translation.as_ref()?.position(at))
    }

    /// Checks the number of tables that the statement scans in a store with this number of cold segments.
    pub(in crate::store) fn check_scans(&self, cold: u64) -> Result<(), SqlError> {
        // The active and frozen hot and late segments are about four more.
        let scans = self.samples.saturating_mul(cold + 4);
        if scans > SCANS {
            return Err(SqlError::TooComplex { what: "scans of sample segments".into(), found: scans, limit: SCANS });
        }
        Ok(())
    }
}

/// Parses a text that was parsed before in another form.
fn serialized(connection: &Connection, text: &str, nesting: usize) -> Result<serde_json::Value, SqlError> {
    let described: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [text], |row| row.get(0))
        .map_err(|error| SqlError::Invalid { message: one_line(&error), position: None })?;
    parse(&described, nesting)
}

/// Adds the views that a parsed statement names, also those of `SUMMARIZE name`.
fn collect_views(value: &serde_json::Value, views: &mut BTreeSet<&'static str>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_views(item, views)),
        serde_json::Value::Object(object) => {
            if let Some(name) = object.get("table_name").and_then(serde_json::Value::as_str) {
                let name = name.trim_matches('"').to_lowercase();
                views.extend(TABLES.iter().map(|table| table.name).filter(|known| *known == name));
            }
            if let Some(name) = object.get("function_name").and_then(serde_json::Value::as_str) {
                views.extend(table_function(name).into_iter().flat_map(|function| function.views));
            }
            object.values().for_each(|inner| collect_views(inner, views));
        }
        _ => {}
    }
}

/// Maximum nesting that serde_json parses.
const JSON_LEVELS: usize = 127;

/// Parses the serialized statement after checking its nesting, so that no deep tree is built.
fn parse(described: &str, nesting: usize) -> Result<serde_json::Value, SqlError> {
    let (mut depth, mut most, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in described.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let limit = nesting.min(JSON_LEVELS);
    let too_deep = || SqlError::TooComplex { what: "nesting".into(), found: most as u64, limit: limit as u64 };
    if most > limit { Err(too_deep()) } else { serde_json::from_str(described).map_err(|_| too_deep()) }
}

/// Returns the error for a text that DuckDB cannot serialize: a syntax error, or a statement other than a SELECT.
fn not_parsed(parsed: &serde_json::Value, sql: &str, position: impl Fn(usize) -> Option<u64>) -> SqlError {
    let text = |key: &str| parsed.get(key).and_then(serde_json::Value::as_str).unwrap_or("");
    if text("error_type") == "parser" {
        let message = text("error_message").lines().next().unwrap_or("the statement cannot be parsed").to_owned();
        return SqlError::Invalid { message, position: text("position").parse().ok().and_then(position) };
    }
    let kind = kind_of(sql);
    SqlError::NotReadOnly { instead: instead_of_statement(&kind).map(Into::into), kind }
}

/// Returns the kind of a statement that is not a SELECT: the first word of a statement that does not start a SELECT.
fn kind_of(sql: &str) -> String {
    let first =
        |text: &str| skip_blank(text).split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_uppercase();
    let is_select = |word: &String| {
        matches!(
            word.as_str(),
            "SELECT" | "WITH" | "FROM" | "VALUES" | "TABLE" | "SHOW" | "DESCRIBE" | "DESC" | "SUMMARIZE" | ""
        )
    };
    let inner = || sql.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_uppercase);
    sql.split(';')
        .map(first)
        .find(|word| !is_select(word))
        .or_else(|| inner().find(|word| word.ends_with("PIVOT")))
        .unwrap_or_else(|| "this statement".to_owned())
}

/// Returns the text without leading white space and comments.
fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix("--") {
            text = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = text.strip_prefix("/*") {
            text = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return text;
        }
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = skip_blank(text);
    let (head, rest) = (text.get(..word.len())?, &text[word.len()..]);
    let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Splits `EXPLAIN [ANALYZE]` off the statement.
fn split_explain(sql: &str) -> (&'static str, &str) {
    match strip_word(sql, "EXPLAIN") {
        None => ("", sql),
        Some(rest) => match strip_word(rest, "ANALYZE") {
            None => ("EXPLAIN ", rest),
            Some(rest) => ("EXPLAIN ANALYZE ", rest),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_statements_are_named() {
        for (sql, kind) in [
            ("DROP VIEW samples", "DROP"),
            ("SELECT 1; DROP VIEW samples", "DROP"),
            ("/* x */ copy t to 'f'", "COPY"),
            ("SELECT * FROM (PIVOT t ON a USING sum(b))", "PIVOT"),
        ] {
            assert_eq!(kind_of(sql), kind, "{sql}");
        }
    }

    #[test]
    fn explain_is_split_off_with_comments_around_it() {
        assert_eq!(split_explain("SELECT 1"), ("", "SELECT 1"));
        assert_eq!(split_explain(" -- x\n /* y */ explain/**/ANALYZE(select 1)"), ("EXPLAIN ANALYZE ", "(select 1)"));
        assert_eq!(split_explain("explain analyzed"), ("EXPLAIN ", " analyzed"));
        assert_eq!(split_explain("explainer"), ("", "explainer"));
    }
}
