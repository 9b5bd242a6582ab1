//! OR over columns of two tables to UNION ALL; OR over columns of one table needs an index on each.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{BinaryOperator, Expr, GroupByExpr, OrderByKind, Query, Select};

use crate::{
    advise::database::query::{
        finding::{Action, Check, Equality, Finding, IndexNeed, Need, Pattern, Rewrite},
        known::{Context, Known},
        tree::{
            Refusal, Scope, conjuncts, finish, has_aggregate, ident, is_constant, is_error_free, joined, name_of,
            output_names, plain, pure, refuse, strip, wrapped,
        },
    },
    database::{Column, Table},
};

/// Most rows of a table that the sides of OR may select for indexes to be read in place of the table, as a share.
const SELECTED_MAX: f64 = 0.2;

/// Finds OR between equalities of different columns.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let scope = Scope::of(select, context.catalogue).ok()?;
    let (condition, sides) = conjuncts(select.selection.as_ref()).into_iter().find_map(|condition| {
        let sides = sides(condition);
        (sides.len() >= 2).then_some((condition, sides))
    })?;
    let columns: Option<Vec<(usize, &Column)>> = sides.iter().map(|side| compared(side, &scope)).collect();
    let columns = columns?;
    let different: BTreeSet<(usize, &str)> = columns.iter().map(|(at, column)| (*at, column.name.as_str())).collect();
    if different.len() < 2 || !context.matters(known.usage) {
        return None;
    }
    let tables: BTreeSet<usize> = columns.iter().map(|(at, _)| *at).collect();
    let needs: Vec<Need> = different.iter().filter_map(|(at, name)| need(scope.tables.get(*at)?.table, name)).collect();
    if tables.len() == 1 {
        // PostgreSQL joins bitmaps of several indexes by itself.
        if needs.is_empty() {
            return None;
        }
        // Without statistics a side counts as selective.
        let selected = columns.iter().filter_map(|(at, column)| share(scope.tables.get(*at)?.table, column));
        if selected.sum::<f64>() > SELECTED_MAX {
            return None;
        }
        let saving = context.saving(
            known.usage,
            [0.1, 0.7, 0.99],
            "an index on each column is used, and their bitmaps are joined",
        );
        let finding = context.finding(known, Pattern::OrColumns, Action::Support, saving).needing(needs);
        return Some(
            finding.noting("Every column of the OR needs an index; with one missing, the whole table is read."),
        );
    }
    Some(match rewrite(query, select, condition, &sides, &scope) {
        Err(refusal) => context.kept(known, Pattern::OrColumns, refusal),
        Ok(rewrite) => {
            let saving = context.saving(
                known.usage,
                [0.0, 0.6, 0.99],
                "each part begins with the table that its condition restricts",
            );
            context.finding(known, Pattern::OrColumns, Action::Rewrite(rewrite), saving).needing(needs)
        }
    })
}

fn sides(expr: &Expr) -> Vec<&Expr> {
    match strip(expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let mut found = sides(left);
            found.extend(sides(right));
            found
        }
        other => vec![other],
    }
}

/// Returns the column that a side compares with a value by `=`, IN or `= ANY`.
fn compared<'a>(side: &Expr, scope: &Scope<'a>) -> Option<(usize, &'a Column)> {
    match strip(side) {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_constant(right) => scope.column(left),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_constant(left) => scope.column(right),
        Expr::InList { expr, list, negated: false } if list.iter().all(is_constant) => scope.column(expr),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if is_constant(right) => scope.column(left),
        _ => None,
    }
}

/// Returns the share of the table's rows that a value of the column has in the mean; none without statistics.
fn share(table: &Table, column: &Column) -> Option<f64> {
    let statistics = column.statistics.as_ref()?;
    Some((1.0 - statistics.null_fraction) / statistics.distinct_values(table.rows?))
}

/// Returns the index that a column needs; none where one begins with it.
fn need(table: &Table, name: &str) -> Option<Need> {
    let is_served = table.indexes.iter().any(|index| {
        index.valid
            && index.predicate.is_none()
            && index.keys.first().is_some_and(|key| key.column.as_deref() == Some(name))
    });
    (!is_served)
        .then(|| Need::Index(IndexNeed { table: table.key(), method: "btree".to_owned(), keys: vec![ident(name)] }))
}

/// `WHERE c AND (a OR b)` becomes `WHERE c AND a UNION ALL … WHERE c AND b AND (a) IS NOT TRUE`, which repeats no row.
fn rewrite(
    query: &Query,
    select: &Select,
    condition: &Expr,
    sides: &[&Expr],
    scope: &Scope<'_>,
) -> Result<Rewrite, Refusal> {
    pure(query)?;
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let is_formed = is_grouped || select.distinct.is_some() || select.having.is_some();
    if is_formed || has_aggregate(&select.projection) {
        return refuse("it groups its rows, or makes them distinct");
    }
    if query.fetch.is_some() {
        return refuse("it has FETCH");
    }
    if query.limit_clause.is_some() && query.order_by.is_none() {
        return refuse("it has LIMIT without ORDER BY, so that other rows may be returned");
    }
    let Some(names) = output_names(select, scope) else {
        return refuse("the names of its output columns are not certain");
    };
    if !sides.iter().all(|side| is_error_free(side)) {
        return refuse("a side of the OR may raise an error on rows that it does not test today");
    }
    let mut tail = String::new();
    if let Some(order) = &query.order_by {
        let OrderByKind::Expressions(keys) = &order.kind else { return refuse("its order is not understood") };
        let mut printed = Vec::new();
        for key in keys {
            let output = match strip(&key.expr) {
                Expr::Identifier(name) => names.iter().find(|(known, _)| *known == name_of(name)),
                _ => None,
            };
            let found = output.or_else(|| {
                let (at, column) = scope.column(&key.expr)?;
                names.iter().find(|(_, known)| known.is_some_and(|(a, c)| a == at && c.name == column.name))
            });
            let Some((name, _)) = found else {
                return refuse(format!("its order by {} is not in the result", key.expr));
            };
            if names.iter().filter(|(known, _)| known == name).count() != 1 {
                return refuse(format!("{name} is twice in the result"));
            }
            printed.push(format!("{}{}", ident(name), key.options));
        }
        tail.push_str(&format!(" ORDER BY {}", printed.join(", ")));
    }
    if let Some(limit) = &query.limit_clause {
        tail.push_str(&format!(" {}", limit.to_string().trim()));
    }
    let list = |items: Vec<String>| items.join(", ");
    let projection = list(select.projection.iter().map(ToString::to_string).collect());
    let from = list(select.from.iter().map(ToString::to_string).collect());
    let common: Vec<String> = conjuncts(select.selection.as_ref())
        .into_iter()
        .filter(|other| !std::ptr::eq(*other, condition))
        .map(wrapped)
        .collect();
    let parts: Vec<String> = sides
        .iter()
        .enumerate()
        .map(|(at, side)| {
            let mut conditions = common.clone();
            conditions.push(wrapped(side));
            conditions.extend(sides.iter().take(at).map(|before| format!("({before}) IS NOT TRUE")));
            format!("SELECT {projection} FROM {from}{}", joined(&conditions))
        })
        .collect();
    let (statement, parameters) = finish(&format!("{}{tail}", parts.join(" UNION ALL ")), &BTreeMap::new())?;
    Ok(Rewrite {
        statement,
        parameters,
        first: None,
        equality: Equality::Always,
        check: Check::Multiset,
        added: Vec::new(),
    })
}
