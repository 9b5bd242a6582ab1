//! Predicates of partial indexes: what they keep, and whether filters imply them.

use super::selectivity::share;
use crate::database::{
    Index, Table,
    shape::{Filter, Key, Operand, Test},
};

/// Returns the share of a table's rows that an index's predicate keeps; 1 without one, a third of what is not understood.
pub(crate) fn partial_share(table: &Table, index: &Index) -> f64 {
    let Some(predicate) = index.predicate.as_deref() else { return 1.0 };
    conjuncts(predicate).iter().map(|part| part_share(part, table)).product()
}

fn part_share(part: &str, table: &Table) -> f64 {
    let named = |name: &str| table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let column = |name: &str| Key::Column(named(name).map_or_else(|| name.to_owned(), |column| column.name.clone()));
    let (key, test) = if let Some(name) = part.strip_suffix(" is null") {
        (column(name), Test::IsNull)
    } else if let Some(name) = part.strip_suffix(" is not null") {
        (column(name), Test::IsNotNull)
    } else if let Some(name) = part.strip_prefix("not ") {
        (column(name), Test::Is(false))
    } else if let Some((name, value)) = part.split_once(" = ") {
        (column(name), Test::Equal(Operand::Literal(value.to_owned())))
    } else if named(part).is_some() {
        (column(part), Test::Is(true))
    } else {
        return 0.33;
    };
    share(&Filter { relation: 0, key, test }, table, 1.0)
}

/// Returns whether the filters imply an index's predicate: each of its conjuncts is one of them, or `IS NOT NULL` of a
/// column that they compare.
pub(super) fn implies(filters: &[Filter], predicate: Option<&str>) -> bool {
    let Some(predicate) = predicate else { return true };
    conjuncts(predicate).iter().all(|part| {
        filters.iter().any(|filter| {
            predicate_of(filter).as_deref() == Some(part.as_str())
                || (strict(&filter.test)
                    && filter.key.column().is_some_and(|column| *part == lower(&format!("{column} is not null"))))
        })
    })
}

fn strict(test: &Test) -> bool {
    matches!(
        test,
        Test::Equal(_) | Test::In(_) | Test::Range { .. } | Test::Like { .. } | Test::Contains(_) | Test::Is(true)
    )
}

/// Returns the predicate that keeps the rows of a filter, in the form of [`conjuncts`]; none for one with a parameter.
pub(super) fn predicate_of(filter: &Filter) -> Option<String> {
    let key = match &filter.key {
        Key::Column(name) => name.clone(),
        Key::Expression(text) => text.to_lowercase(),
    };
    match &filter.test {
        Test::Equal(Operand::Literal(text)) => Some(lower(&format!("{key} = {text}"))),
        Test::IsNull => Some(lower(&format!("{key} is null"))),
        Test::IsNotNull => Some(lower(&format!("{key} is not null"))),
        Test::Is(true) => Some(lower(&key)),
        Test::Is(false) => Some(lower(&format!("not {key}"))),
        _ => None,
    }
}

/// Returns whether two predicates of indexes have the same conjuncts, however they are written.
pub(crate) fn same_predicate(a: Option<&str>, b: Option<&str>) -> bool {
    let parts = |predicate: Option<&str>| {
        let mut parts = predicate.map(conjuncts).unwrap_or_default();
        parts.sort();
        parts
    };
    parts(a) == parts(b)
}

/// Splits an index's predicate, as `pg_get_expr` prints it, into lower-case conjuncts without parentheses and casts.
pub(super) fn conjuncts(predicate: &str) -> Vec<String> {
    use sqlparser::{ast::Expr, dialect::PostgreSqlDialect, parser::Parser};
    fn plain(expr: Expr) -> Expr {
        match expr {
            Expr::Nested(inner) => plain(*inner),
            Expr::Cast { expr, .. } => plain(*expr),
            Expr::BinaryOp { left, op, right } => {
                Expr::BinaryOp { left: Box::new(plain(*left)), op, right: Box::new(plain(*right)) }
            }
            Expr::UnaryOp { op, expr } => Expr::UnaryOp { op, expr: Box::new(plain(*expr)) },
            Expr::IsNull(expr) => Expr::IsNull(Box::new(plain(*expr))),
            Expr::IsNotNull(expr) => Expr::IsNotNull(Box::new(plain(*expr))),
            other => other,
        }
    }
    fn split(expr: Expr, into: &mut Vec<String>) {
        match plain(expr) {
            Expr::BinaryOp { left, op: sqlparser::ast::BinaryOperator::And, right } => {
                split(*left, into);
                split(*right, into);
            }
            // `done = true` and `done` are one condition.
            Expr::BinaryOp { left, op: sqlparser::ast::BinaryOperator::Eq, right } if is_boolean(&right).is_some() => {
                into.push(if is_boolean(&right) == Some(true) { left.to_string() } else { format!("NOT {left}") });
            }
            other => into.push(other.to_string()),
        }
    }
    let mut found = Vec::new();
    match Parser::new(&PostgreSqlDialect {}).try_with_sql(predicate).and_then(|mut parser| parser.parse_expr()) {
        Ok(expr) => split(expr, &mut found),
        Err(_) => found.push(predicate.to_owned()),
    }
    found.iter().map(|part| lower(part)).collect()
}

fn is_boolean(expr: &sqlparser::ast::Expr) -> Option<bool> {
    match expr {
        sqlparser::ast::Expr::Value(value) => match value.value {
            sqlparser::ast::Value::Boolean(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// Lower-cases what is outside of literals, and removes the quotes of names.
fn lower(text: &str) -> String {
    let mut quoted = false;
    let fold = |c: char| {
        if c == '\'' {
            quoted = !quoted;
        }
        if quoted { Some(c) } else { (c != '"').then(|| c.to_ascii_lowercase()) }
    };
    text.chars().filter_map(fold).collect()
}
