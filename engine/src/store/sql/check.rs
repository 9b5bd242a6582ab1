//! Checks a parsed statement: only allowed constructs, functions and tables. Unknown parts of the parse tree are
//! rejected.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    SqlError,
    advice::{instead_of_function, sql_spelling},
    allow::{is_function_allowed, is_information_allowed, is_window_allowed, wildcard},
};
use crate::store::{
    AnalystLimits,
    rows::descriptor::Source,
    schema::{
        TABLES, TableFunction, is_catalogue_function, is_catalogue_relation, is_information_relation, table_function,
    },
};

/// Maximum number of elements of a list built by `range` in an expression, because DuckDB builds it without checking
/// for interrupts.
const RANGE_ELEMENTS: f64 = 100_000.0;

/// Maximum number of wildcards in a pattern, as in `%this%that%`.
const WILDCARDS: u64 = 3;

/// Kinds of expressions that analysts may use, as DuckDB's parser names them.
const CLASSES: &[&str] = &[
    "BETWEEN",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "FUNCTION",
    // The parser reports JSON's `->` as a lambda, too; functions with a lambda argument are rejected by name.
    "LAMBDA",
    "LAMBDA_REF",
    "OPERATOR",
    "PARAMETER",
    "POSITIONAL_REFERENCE",
    "STAR",
    "SUBQUERY",
    "TYPE",
    "WINDOW",
];

/// Kinds of query nodes and of FROM clauses that analysts may use.
const NODES: &[&str] = &[
    "BASE_TABLE",
    "CTE_NODE",
    "EMPTY",
    "EXPRESSION_LIST",
    "JOIN",
    "RECURSIVE_CTE_NODE",
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "SHOW_REF",
    "SUBQUERY",
    "TABLE_FUNCTION",
];

/// Number of table references of a statement; a common table expression counts once per use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct References {
    /// Tables and views.
    pub(super) tables: u64,
    /// References to views over the segments, which are many tables; included in `tables`.
    pub(super) samples: u64,
}

impl References {
    fn plus(self, other: Self) -> Self {
        Self { tables: self.tables.saturating_add(other.tables), samples: self.samples.saturating_add(other.samples) }
    }
}

/// Common table expressions in scope by name, with the references of each.
type CteScope = HashMap<String, References>;

/// Checks one statement as serialized by `json_serialize_sql`, and counts its table references.
pub(super) fn check(statement: &Value, limits: &AnalystLimits) -> Result<References, SqlError> {
    let references = walk(statement, &CteScope::new())?;
    let limit = limits.table_references as u64;
    if references.tables > limit {
        return Err(SqlError::TooComplex { what: "table references".into(), found: references.tables, limit });
    }
    Ok(references)
}

fn walk(value: &Value, scope: &CteScope) -> Result<References, SqlError> {
    match value {
        Value::Array(items) => {
            items.iter().try_fold(References::default(), |sum, item| Ok(sum.plus(walk(item, scope)?)))
        }
        Value::Object(object) => walk_object(object, scope),
        _ => Ok(References::default()),
    }
}

/// Returns whether a view reads the segments.
fn is_over_segments(name: &str) -> bool {
    TABLES.iter().any(|table| table.name == name && matches!(table.source, Source::Segments | Source::FineBuckets))
}

fn walk_object(object: &Map<String, Value>, scope: &CteScope) -> Result<References, SqlError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    if object.contains_key("class") {
        check_expression(object)?;
        // A constant is not descended into: its value may look like a table reference.
        if text("class") == "CONSTANT" {
            return Ok(References::default());
        }
    } else if object.contains_key("query_location") || text("type").ends_with("_NODE") {
        if !NODES.contains(&text("type")) {
            return Err(construct(text("type")));
        }
        match text("type") {
            "BASE_TABLE" => return check_table(object, scope),
            "SHOW_REF" => check_show(object)?,
            "TABLE_FUNCTION" => {
                if let Some((function, arguments)) = own_function(object) {
                    let tables = function.views.len() as u64;
                    let others = object.iter().filter(|(key, _)| *key != "function").map(|(_, value)| value);
                    let own = References { tables, samples: 0 };
                    return std::iter::once(arguments)
                        .chain(others)
                        .try_fold(own, |sum, value| Ok(sum.plus(walk(value, scope)?)));
                }
            }
            _ => {}
        }
    }
    let mut sum = References::default();
    let mut inner = scope.clone();
    if text("type") == "RECURSIVE_CTE_NODE" {
        // A recursive expression refers to itself, which counts as one table.
        inner.insert(text("cte_name").to_lowercase(), References { tables: 1, samples: 0 });
    }
    if let Some(expressions) = object.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array) {
        for expression in expressions {
            let name = expression.get("key").and_then(Value::as_str).unwrap_or("");
            check_new_name(name)?;
            // An expression sees those before it, so the scope grows as the list is checked.
            let reads = expression.get("value").map_or(Ok(References::default()), |value| walk(value, &inner))?;
            sum = sum.plus(reads);
            inner.insert(name.to_lowercase(), reads);
        }
    }
    for (_, value) in object.iter().filter(|(key, _)| *key != "cte_map") {
        sum = sum.plus(walk(value, &inner)?);
    }
    Ok(sum)
}

/// Returns the table function of analysts that a FROM clause calls, with its arguments.
fn own_function(object: &Map<String, Value>) -> Option<(&'static TableFunction, &Value)> {
    let function = object.get("function")?;
    let text = |key: &str| function.get(key).and_then(Value::as_str).unwrap_or("");
    let is_own = ["", "main"].contains(&text("schema")) && text("catalog").is_empty();
    let is_plain = ["filter", "with_ordinality"]
        .iter()
        .all(|key| function.get(*key).is_none_or(|value| value.is_null() || value == false));
    let found = table_function(text("function_name")).filter(|_| is_own && is_plain)?;
    Some((found, function.get("children")?))
}

fn check_expression(object: &Map<String, Value>) -> Result<(), SqlError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    let class = text("class");
    if !CLASSES.contains(&class) {
        return Err(construct(class));
    }
    if class == "FUNCTION" || class == "WINDOW" {
        let name = text("function_name").to_lowercase();
        let of_system = ["", "main"].contains(&text("schema")) && ["", "system"].contains(&text("catalog"));
        let of_catalogue = text("schema") == "postgres" && text("catalog").is_empty() && is_catalogue_function(&name);
        if !of_catalogue && (!of_system || !is_function_allowed(&name)) {
            let instead = instead_of_function(&name).map(Into::into);
            return Err(SqlError::Function { name: sql_spelling(&name).to_owned(), instead });
        }
        if class == "WINDOW" && !is_window_allowed(&name) {
            let instead = Some("aggregate with GROUP BY, without OVER".into());
            return Err(SqlError::Construct { what: format!("{name} over a window"), instead });
        }
        if let Some(wildcard) = wildcard(&name) {
            check_pattern(object, sql_spelling(&name), wildcard)?;
        }
    }
    Ok(())
}

/// Checks that a pattern is made of constants and at most one parameter, and has few wildcards. DuckDB matches by
/// backtracking: the time grows with the text's length to the power of the number of wildcards, without checking for
/// interrupts.
fn check_pattern(object: &Map<String, Value>, operator: &str, wildcard: char) -> Result<(), SqlError> {
    let pattern = object.get("children").and_then(Value::as_array).and_then(|operands| operands.get(1));
    match pattern.and_then(|pattern| Pattern::of(pattern, wildcard)) {
        // The values of parameters are checked by the caller.
        Some(pattern) if pattern.parameters <= 1 => check_count(pattern.wildcards, WILDCARDS),
        _ => Err(SqlError::Construct {
            what: format!("{operator} with a computed pattern"),
            instead: Some(
                "write the pattern as a constant, pass it as a parameter, or use starts_with, contains or regexp_matches"
                    .into(),
            ),
        }),
    }
}

/// What a pattern is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pattern {
    /// Wildcards of its constants.
    wildcards: u64,
    parameters: usize,
}

impl Pattern {
    /// Returns the parts of an expression of constants, parameters, `||`, `lower` and `upper`; `None` for another one.
    fn of(expression: &Value, wildcard: char) -> Option<Self> {
        let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or("");
        match (text("class"), text("function_name")) {
            ("CONSTANT", _) => {
                let constant = expression.pointer("/value/value").and_then(Value::as_str).unwrap_or("");
                Some(Self { wildcards: constant.matches(wildcard).count() as u64, parameters: 0 })
            }
            ("PARAMETER", _) => Some(Self { wildcards: 0, parameters: 1 }),
            ("CAST", _) => Self::of(expression.get("child")?, wildcard),
            ("FUNCTION", "lower" | "upper") => Self::of(expression.get("children")?.get(0)?, wildcard),
            ("FUNCTION", "||") => {
                let parts = expression.get("children")?.as_array()?.iter().map(|part| Self::of(part, wildcard));
                parts.reduce(|sum, part| {
                    let (sum, part) = (sum?, part?);
                    Some(Self {
                        wildcards: sum.wildcards + part.wildcards,
                        parameters: sum.parameters + part.parameters,
                    })
                })?
            }
            _ => None,
        }
    }
}

/// Rejects the value of a parameter that is part of a pattern with too many wildcards; `others` are those of the constants
/// beside it.
pub(super) fn check_wildcards(value: &str, wildcard: char, others: u64) -> Result<(), SqlError> {
    check_count(value.matches(wildcard).count() as u64 + others, WILDCARDS)
}

fn check_count(found: u64, limit: u64) -> Result<(), SqlError> {
    if found <= limit {
        Ok(())
    } else {
        Err(SqlError::TooComplex { what: "wildcards in a pattern".into(), found, limit })
    }
}

/// Returns the largest number of wildcards that constants add to a pattern with a parameter; `None` if no pattern of the
/// statement has one.
pub(super) fn wildcards_beside_parameters(value: &Value) -> Option<u64> {
    match value {
        Value::Array(items) => items.iter().filter_map(wildcards_beside_parameters).max(),
        Value::Object(object) => {
            let name = object.get("function_name").and_then(Value::as_str).unwrap_or("").to_lowercase();
            let pattern = object.get("children").and_then(|operands| operands.as_array()?.get(1));
            let own = pattern.and_then(|pattern| Pattern::of(pattern, wildcard(&name)?));
            let own = own.filter(|own| own.parameters > 0).map(|own| own.wildcards);
            object.values().filter_map(wildcards_beside_parameters).chain(own).max()
        }
        _ => None,
    }
}

/// Returns whether a parsed statement names a relation or a function of PostgreSQL's catalogue.
pub(super) fn names_catalogue(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(names_catalogue),
        Value::Object(object) => {
            let is_catalogue = |key: &str| {
                object
                    .get(key)
                    .and_then(Value::as_str)
                    .is_some_and(|name| ["postgres", "pg_information"].contains(&name))
            };
            is_catalogue("schema") || is_catalogue("schema_name") || object.values().any(names_catalogue)
        }
        _ => false,
    }
}

/// Checks that lists built in expressions are short and of constant length. A range in FROM is streamed and may be
/// long.
pub(super) fn check_ranges(value: &Value) -> Result<(), SqlError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check_ranges),
        Value::Object(object) => {
            let is_source = object.get("type").and_then(Value::as_str) == Some("TABLE_FUNCTION");
            let name = object.get("function_name").and_then(Value::as_str).unwrap_or("").to_lowercase();
            if name == "range" || name == "generate_series" {
                check_range(&name, object.get("children").and_then(Value::as_array).map_or(&[], Vec::as_slice))?;
            }
            for (key, inner) in object {
                match inner.get("children") {
                    Some(arguments) if is_source && key == "function" => check_ranges(arguments)?,
                    _ => check_ranges(inner)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_range(name: &str, arguments: &[Value]) -> Result<(), SqlError> {
    let numbers: Option<Vec<f64>> = arguments.iter().map(constant).collect();
    let elements = match numbers.as_deref() {
        Some([end]) => *end,
        Some([start, end]) => end - start,
        Some([start, end, step]) => (end - start) / step,
        _ => f64::INFINITY,
    };
    if elements <= RANGE_ELEMENTS {
        Ok(())
    } else {
        Err(SqlError::Construct {
            what: format!("{name} in an expression with over 100000 or an unknown number of elements"),
            instead: Some("use it in FROM, where its length is not limited".into()),
        })
    }
}

/// Returns the value of a numeric constant with an optional sign.
fn constant(expression: &Value) -> Option<f64> {
    if let Some(value) = expression.get("value") {
        return value.get("value").and_then(Value::as_f64);
    }
    match (expression.get("function_name").and_then(Value::as_str)?, expression.get("children")?.as_array()?.as_slice())
    {
        ("-", [inner]) => constant(inner).map(|number| -number),
        ("+", [inner]) => constant(inner),
        _ => None,
    }
}

fn check_table(object: &Map<String, Value>, scope: &CteScope) -> Result<References, SqlError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("").to_lowercase();
    let (catalog, schema, name) = (text("catalog_name"), text("schema_name"), text("table_name"));
    if object.get("at_clause").is_some_and(|at| !at.is_null()) {
        let instead = Some("the store does not keep earlier versions of tables".into());
        return Err(SqlError::Construct { what: "AT after a table".to_owned(), instead });
    }
    if catalog.is_empty()
        && schema.is_empty()
        && let Some(reads) = scope.get(&name)
    {
        // A common table expression without tables still costs something per use.
        return Ok(References { tables: reads.tables.max(1), samples: reads.samples });
    }
    let one = References { tables: 1, samples: u64::from(is_over_segments(&name)) };
    match (catalog.as_str(), schema.as_str()) {
        ("", "" | "main") if is_known(&name) => Ok(one),
        ("", "information_schema") if is_information_allowed(&name) => Ok(one),
        ("", "postgres") if is_catalogue_relation(&name) => Ok(one),
        ("", "pg_information") if is_information_relation(&name) => Ok(one),
        _ => {
            let parts = [catalog, schema, name];
            let name: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            Err(unknown_table(&name.join(".")))
        }
    }
}

fn is_known(name: &str) -> bool {
    TABLES.iter().any(|table| table.name == name)
}

fn unknown_table(name: &str) -> SqlError {
    let known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    SqlError::Table { name: name.to_owned(), known: known.join(", ") }
}

/// Checks `SHOW TABLES`, `DESCRIBE name` and `SUMMARIZE name`. The query of `DESCRIBE SELECT …` is checked like any
/// other.
fn check_show(object: &Map<String, Value>) -> Result<(), SqlError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    let name = text("table_name").trim_matches('"').to_lowercase();
    let refused = |what: &str| {
        let instead = Some("SHOW TABLES lists the tables, DESCRIBE samples lists the columns of one".into());
        Err(SqlError::Construct { what: what.to_owned(), instead })
    };
    match (text("show_type"), name.as_str()) {
        ("SHOW_FROM", _) if !["", "main"].contains(&text("schema_name")) || !text("catalog_name").is_empty() => {
            refused("SHOW TABLES FROM another schema")
        }
        (_, "" | "tables") => Ok(()),
        (_, "__show_tables_expanded") => refused("SHOW ALL TABLES, or DESCRIBE without a name,"),
        (_, known) if is_known(known) => Ok(()),
        (_, other) => refused(&format!("SHOW {}", other.to_uppercase())),
    }
}

/// Returns the error for an unknown construct, named as in SQL.
fn construct(name: &str) -> SqlError {
    let (what, instead) = match name {
        "PIVOT" => ("PIVOT or UNPIVOT", Some("write an aggregate for each column with FILTER (WHERE …), or UNION ALL")),
        "COLUMN_DATA" => ("a list of constants in FROM", Some("write VALUES")),
        other => (other, None),
    };
    SqlError::Construct { what: what.replace('_', " "), instead: instead.map(Into::into) }
}

/// Rejects the names of system functions and tables for a common table expression: outside its scope such a name would
/// refer to the system's object.
fn check_new_name(name: &str) -> Result<(), SqlError> {
    let lower = name.to_lowercase();
    let plain = lower.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ');
    if plain && !["duckdb_", "pragma_", "sqlite_", "pg_"].iter().any(|prefix| lower.starts_with(prefix)) {
        Ok(())
    } else {
        let instead = Some("give it a name of letters, digits and _".into());
        Err(SqlError::Construct { what: format!("a common table expression named {name:?}"), instead })
    }
}
