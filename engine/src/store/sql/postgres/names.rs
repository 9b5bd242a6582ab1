//! Translates names of the catalogue's relations and functions, and functions that PostgreSQL reads differently.

use super::{casts, lexer::LexemeKind, operators, rewriter::Rewriter};
use crate::store::schema::{TABLES, is_catalogue_function, is_catalogue_relation, is_information_relation};

/// Functions of another name in DuckDB.
const RENAMED: [(&str, &str); 4] = [
    ("json_build_array", "json_array"),
    ("json_build_object", "json_object"),
    ("jsonb_build_array", "json_array"),
    ("jsonb_build_object", "json_object"),
];

/// Functions of several rows: in FROM their alias also names their column.
const SETS: [&str; 2] = ["generate_series", "unnest"];

/// Columns of transaction identifiers, whose age is that of no timestamp.
const TRANSACTIONS: [&str; 4] = ["datfrozenxid", "relfrozenxid", "transactionid", "xmin"];

/// Words that are functions without parentheses.
const WITHOUT_PARENTHESES: [&str; 6] =
    ["current_catalog", "current_role", "current_schema", "current_user", "session_user", "user"];

/// Translates a name, and returns the number of lexemes that are done.
pub(super) fn word(rewriter: &mut Rewriter<'_>, at: usize) -> usize {
    if rewriter.before(at) == "." {
        return 1;
    }
    let name = rewriter.name(at);
    if rewriter.is(at + 1, ".") {
        return qualified(rewriter, at, &name);
    }
    if rewriter.is(at + 1, "(") {
        if rewriter.is_word(at) && name == "operator" {
            return operators::operator(rewriter, at);
        }
        call(rewriter, at, at, &name);
        return 1;
    }
    let before = rewriter.before(at).to_lowercase();
    if is_catalogue_relation(&name) && (before == "only" || rewriter.is_in_from(at)) {
        rewriter.replace(at, at, format!("postgres.\"{name}\""));
    } else if rewriter.is_word(at) {
        match name.as_str() {
            "collate" => return collate(rewriter, at),
            "as" => return casts::cast_as(rewriter, at),
            _ if WITHOUT_PARENTHESES.contains(&name.as_str()) && before != "as" => {
                let function = if name == "user" { "current_user" } else { &name };
                rewriter.replace(at, at, format!("postgres.\"{function}\"()"));
            }
            _ => {}
        }
    }
    1
}

/// Translates `schema . name`.
fn qualified(rewriter: &mut Rewriter<'_>, at: usize, schema: &str) -> usize {
    let name = rewriter.name(at + 2);
    let is_call = rewriter.is(at + 3, "(");
    match schema {
        "pg_catalog" if is_call => call(rewriter, at, at + 2, &name),
        "pg_catalog" if is_catalogue_relation(&name) => rewriter.replace(at, at + 2, format!("postgres.\"{name}\"")),
        "pg_catalog" => rewriter.replace(at, at + 2, rewriter.text(at + 2).to_owned()),
        "information_schema" if is_call && is_catalogue_function(&name) => call(rewriter, at, at + 2, &name),
        "information_schema" if is_information_relation(&name) => {
            rewriter.replace(at, at + 2, format!("pg_information.\"{name}\""));
        }
        "public" if TABLES.iter().any(|table| table.name == name) => rewriter.replace(at, at, "main"),
        _ => return 1,
    }
    3
}

/// Translates the call of a function whose name is `last`, with the schema from `first`.
fn call(rewriter: &mut Rewriter<'_>, first: usize, last: usize, name: &str) {
    let of_transaction = || {
        let Some(close) = rewriter.close_of(last + 1) else { return false };
        close > last + 2 && TRANSACTIONS.contains(&rewriter.name(close - 1).as_str())
    };
    let is_catalogue = is_catalogue_function(name);
    let renamed = RENAMED.iter().find(|(known, _)| *known == name).map(|(_, renamed)| (*renamed).to_owned());
    let target = match renamed {
        Some(renamed) => Some(renamed),
        None if name == "age" && of_transaction() => Some("postgres.\"age_of_transaction\"".to_owned()),
        None if is_catalogue => Some(format!("postgres.\"{name}\"")),
        None => (first < last).then(|| rewriter.text(last).to_owned()),
    };
    let returns_rows = SETS.contains(&name);
    if (returns_rows || is_catalogue || name == "string_to_array") && rewriter.is_in_from(first) {
        source(rewriter, first, last, name, returns_rows);
    }
    if let Some(target) = target {
        rewriter.replace(first, last, target);
    }
}

/// Translates a function in FROM: its alias names its column too, and one that returns a value is a query of one row.
fn source(rewriter: &mut Rewriter<'_>, first: usize, last: usize, name: &str, returns_rows: bool) {
    if name == "pg_get_keywords" {
        return;
    }
    let Some(close) = rewriter.close_of(last + 1) else { return };
    let alias = if rewriter.is(close + 1, "as") { close + 2 } else { close + 1 };
    let ends = [
        "anti",
        "asof",
        "cross",
        "except",
        "fetch",
        "full",
        "group",
        "having",
        "inner",
        "intersect",
        "join",
        "left",
        "limit",
        "natural",
        "offset",
        "on",
        "order",
        "positional",
        "qualify",
        "right",
        "semi",
        "tablesample",
        "union",
        "using",
        "where",
        "window",
        "with",
    ];
    let is_alias = match rewriter.kind(alias) {
        Some(LexemeKind::Word) => !ends.contains(&rewriter.name(alias).as_str()),
        Some(LexemeKind::Quoted) => true,
        _ => false,
    };
    let written = if is_alias { rewriter.text(alias).to_owned() } else { name.to_owned() };
    if returns_rows {
        if is_alias && !rewriter.is(alias + 1, "(") {
            rewriter.insert_after(alias, format!("({written})"));
        }
    } else {
        rewriter.insert_before(first, "(SELECT ");
        rewriter.insert_after(close, format!(" AS {written})"));
    }
}

/// Drops the collations `default` and `C`, in which DuckDB compares anyway.
fn collate(rewriter: &mut Rewriter<'_>, at: usize) -> usize {
    let is_qualified = rewriter.name(at + 1) == "pg_catalog" && rewriter.is(at + 2, ".");
    let last = if is_qualified { at + 3 } else { at + 1 };
    if ["default", "c", "C", "POSIX", "posix"].contains(&rewriter.name(last).as_str()) {
        rewriter.replace(at, last, "");
    }
    last + 1 - at
}
