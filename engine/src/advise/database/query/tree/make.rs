//! Reads and prints parts of expressions.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value,
    ValueWithSpan, Visit, Visitor,
};

use crate::database::statement::quote;

/// Returns an identifier as PostgreSQL needs it in a text.
pub(crate) fn ident(name: &str) -> String {
    quote(name)
}

/// Returns the name as PostgreSQL folds it.
pub(crate) fn name_of(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Removes parentheses.
pub(crate) fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

/// Returns the conjuncts of a condition; none of an absent one.
pub(crate) fn conjuncts(condition: Option<&Expr>) -> Vec<&Expr> {
    fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                collect(left, found);
                collect(right, found);
            }
            Expr::Nested(inner) if matches!(strip(inner), Expr::BinaryOp { op: BinaryOperator::And, .. }) => {
                collect(strip(inner), found);
            }
            other => found.push(other),
        }
    }
    let mut found = Vec::new();
    if let Some(condition) = condition {
        collect(condition, &mut found);
    }
    found
}

/// Prints an expression as an operand of AND: in parentheses where it binds less.
pub(crate) fn wrapped(expr: &Expr) -> String {
    match expr {
        Expr::BinaryOp { op: BinaryOperator::Or | BinaryOperator::And | BinaryOperator::Xor, .. } => {
            format!("({expr})")
        }
        Expr::UnaryOp { .. } => format!("({expr})"),
        other => other.to_string(),
    }
}

/// Prints `WHERE` with these conditions, preceded by a space; nothing without conditions.
pub(crate) fn joined(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// Returns the number of a `$n` placeholder, without parentheses around it.
pub(crate) fn parameter(expr: &Expr) -> Option<usize> {
    match strip(expr) {
        Expr::Value(value) => number_of(&value.value),
        _ => None,
    }
}

/// Returns the number of a placeholder whose value a column takes: alone, or cast to the column's own type, as drivers write
/// it (`$1::VARCHAR`).
pub(crate) fn taken(value: &Expr, type_name: &str) -> Option<usize> {
    match strip(value) {
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. }
            if value_type(type_name) == Some(full_name(data_type)) =>
        {
            parameter(expr)
        }
        other => parameter(other),
    }
}

/// Returns the name that [`value_type`] gives for a type without a modifier.
fn full_name(data_type: &DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let full = match text.as_str() {
        "int2" => "smallint",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "bool" => "boolean",
        "decimal" => "numeric",
        "float4" => "real",
        "float" | "float8" => "double precision",
        "varchar" | "character varying" => "text",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        other => other,
    };
    full.to_owned()
}

/// Returns the number of a value that is a `$n` placeholder.
pub(crate) fn number_of(value: &Value) -> Option<usize> {
    match value {
        Value::Placeholder(text) => text.strip_prefix('$')?.parse().ok().filter(|number| *number > 0),
        _ => None,
    }
}

/// Returns the numbers of all placeholders, those of `date $1` and `ESCAPE $1` included; 0 is one of another style.
pub(crate) fn parameters_in(node: &impl Visit) -> BTreeSet<usize> {
    struct Collect(BTreeSet<usize>);
    impl Visitor for Collect {
        type Break = ();
        fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
            if matches!(value.value, Value::Placeholder(_)) {
                self.0.insert(number_of(&value.value).unwrap_or(0));
            }
            ControlFlow::Continue(())
        }
    }
    let mut collect = Collect(BTreeSet::new());
    let _ = Visit::visit(node, &mut collect);
    collect.0
}

/// Returns whether the expression is `count(*)`.
pub(crate) fn is_count(expr: &Expr) -> bool {
    match strip(expr) {
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else { return false };
            function.name.to_string().eq_ignore_ascii_case("count")
                && function.filter.is_none()
                && function.over.is_none()
                && list.duplicate_treatment.is_none()
                && list.clauses.is_empty()
                && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
        }
        _ => false,
    }
}

/// Prints a key of ORDER BY or of an index with its direction. A NULLS clause is printed where it is not the default.
pub(crate) fn directed(key: &str, is_descending: bool, nulls_first: bool) -> String {
    let direction = if is_descending { " DESC" } else { "" };
    let nulls = match (is_descending, nulls_first) {
        (true, false) => " NULLS LAST",
        (false, true) => " NULLS FIRST",
        _ => "",
    };
    format!("{key}{direction}{nulls}")
}

/// Returns the type for a cast, without its modifier, so that a cast never cuts or rounds a value. None for a type whose
/// equality and order are not known here.
pub(crate) fn text_of_type(type_name: &str) -> Option<String> {
    let (base, rest) = match type_name.split_once('(') {
        Some((base, rest)) => (base.trim_end().to_owned(), rest.split_once(')').map_or("", |(_, rest)| rest)),
        None => (type_name.to_owned(), ""),
    };
    let full = format!("{base}{rest}");
    const KNOWN: [&str; 13] = [
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "real",
        "double precision",
        "boolean",
        "text",
        "uuid",
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "bytea",
    ];
    match full.as_str() {
        "character varying" => Some("text".to_owned()),
        known if KNOWN.contains(&known) => Some(known.to_owned()),
        _ => None,
    }
}

/// Returns the type for a cast of values that are only stored. None for an array, whose elements `unnest` would spread, and
/// for a type that is not known.
pub(crate) fn value_type(type_name: &str) -> Option<String> {
    const STORED: [&str; 8] =
        ["json", "jsonb", "interval", "inet", "cidr", "macaddr", "time without time zone", "time with time zone"];
    text_of_type(type_name).or_else(|| STORED.contains(&type_name).then(|| type_name.to_owned()))
}
