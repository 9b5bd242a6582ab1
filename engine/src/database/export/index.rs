//! Indexes from the syntax of `CREATE INDEX` and of constraints.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use sqlparser::ast::{CreateIndex, Expr, Ident, IndexColumn, ObjectName};

use crate::database::catalogue::{Index, IndexKey};

/// Returns an identifier as PostgreSQL stores it: without quotes, else in lower case.
pub(super) fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Returns schema and name of an object; the schema is `public` unless it is written.
pub(super) fn qualified(object: &ObjectName) -> (String, String) {
    let mut parts = object.0.iter().rev().filter_map(|part| part.as_ident()).map(name);
    let own = parts.next().unwrap_or_default();
    (parts.next().unwrap_or_else(|| "public".to_owned()), own)
}

/// A cast, with the name of its type as the parser prints it.
#[expect(clippy::expect_used, reason = "the expression is constant, and a test uses it")]
static CAST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"::[A-Z]+(?: VARYING| PRECISION| WITH TIME ZONE| WITHOUT TIME ZONE)?").expect("the expression is valid")
});

/// Returns an expression as PostgreSQL prints it: types are in lower case.
fn printed(expr: &Expr) -> String {
    let text = expr.to_string();
    CAST.replace_all(&text, |found: &Captures<'_>| found.get(0).map_or("", |cast| cast.as_str()).to_lowercase())
        .into_owned()
}

/// Returns the keys of an index.
pub(super) fn keys(columns: &[IndexColumn]) -> Vec<IndexKey> {
    let key = |column: &IndexColumn| {
        let options = &column.column.options;
        let descending = options.asc == Some(false);
        let (named, expression) = match &column.column.expr {
            Expr::Identifier(ident) => (Some(name(ident)), None),
            Expr::Collate { expr, .. } => match &**expr {
                Expr::Identifier(ident) => (Some(name(ident)), None),
                _ => (None, Some(printed(&column.column.expr))),
            },
            other => (None, Some(printed(other))),
        };
        IndexKey {
            column: named,
            expression,
            descending,
            nulls_first: options.nulls_first.unwrap_or(descending),
            operator_class: column.operator_class.as_ref().map(|class| qualified(class).1),
        }
    };
    columns.iter().map(key).collect()
}

/// Returns the index that a `CREATE INDEX` creates. `text` is its statement.
pub(super) fn created(index: &CreateIndex, table: &str, text: &str) -> Index {
    let keys = keys(&index.columns);
    let own = index.name.as_ref().map_or_else(|| default_name(table, &keys, "idx"), |name| qualified(name).1);
    Index {
        name: own,
        method: index.using.as_ref().map_or_else(|| "btree".to_owned(), |method| method.to_string().to_lowercase()),
        keys,
        include: index.include.iter().map(name).collect(),
        predicate: index.predicate.as_ref().map(printed),
        unique: index.unique,
        valid: true,
        definition: text.split_whitespace().collect::<Vec<_>>().join(" "),
        ..Index::default()
    }
}

/// Returns the index of a primary key or UNIQUE constraint.
pub(super) fn of_constraint(
    constraint: Option<&Ident>,
    columns: &[IndexColumn],
    primary: bool,
    table: (&str, &str),
) -> Index {
    let keys = keys(columns);
    let own = constraint
        .map_or_else(|| if primary { format!("{}_pkey", table.1) } else { default_name(table.1, &keys, "key") }, name);
    let columns: Vec<&str> = keys.iter().filter_map(|key| key.column.as_deref()).collect();
    let quote = crate::database::statement::quote;
    let listed: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let definition = format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quote(&own),
        quote(table.0),
        quote(table.1),
        listed.join(", ")
    );
    Index {
        constraint: Some(own.clone()),
        name: own,
        method: "btree".to_owned(),
        keys,
        unique: true,
        primary,
        valid: true,
        definition,
        ..Index::default()
    }
}

/// Returns the name that PostgreSQL gives an index without one.
fn default_name(table: &str, keys: &[IndexKey], ending: &str) -> String {
    let columns: Vec<&str> = keys.iter().map(|key| key.column.as_deref().unwrap_or("expr")).collect();
    format!("{table}_{}_{ending}", columns.join("_"))
}
