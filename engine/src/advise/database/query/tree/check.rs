//! Tells which queries are simple enough, and which expressions have no effect of their own.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, GroupByExpr, Query, Select, SelectFlavor, SetExpr, Visit, Visitor};

use super::{
    make::{name_of, strip},
    refusal::{Refusal, refuse},
};

/// Functions that have no effect, are constant within a statement, and raise no error on any value of their arguments'
/// types.
const SAFE: [&str; 18] = [
    "lower",
    "upper",
    "length",
    "char_length",
    "btrim",
    "ltrim",
    "rtrim",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "now",
    "current_timestamp",
    "current_date",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "md5",
];

/// Further functions that have no effect and are constant within a statement.
const PURE: [&str; 30] = [
    "abs",
    "ceil",
    "ceiling",
    "floor",
    "round",
    "trunc",
    "mod",
    "date",
    "date_trunc",
    "date_part",
    "age",
    "to_char",
    "to_date",
    "to_timestamp",
    "make_interval",
    "make_date",
    "concat",
    "concat_ws",
    "replace",
    "left",
    "right",
    "substr",
    "substring",
    "split_part",
    "strpos",
    "starts_with",
    "initcap",
    "to_tsvector",
    "plainto_tsquery",
    "similarity",
];

/// Aggregates.
const AGGREGATES: [&str; 17] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "stddev",
    "variance",
    "percentile_cont",
];

/// Returns the SELECT of a query that has no WITH, locks, set operation, or clause of another database.
///
/// # Errors
/// [`Refusal`] names what it has.
pub(crate) fn plain(query: &Query) -> Result<&Select, Refusal> {
    if query.with.is_some() {
        return refuse("it has a WITH clause");
    }
    if !query.locks.is_empty() {
        return refuse("it locks its rows, and the locks would be taken in another order");
    }
    let has_others = query.for_clause.is_some()
        || query.settings.is_some()
        || query.format_clause.is_some()
        || !query.pipe_operators.is_empty();
    let SetExpr::Select(select) = &*query.body else { return refuse("it is a set operation") };
    let GroupByExpr::Expressions(_, modifiers) = &select.group_by else { return refuse("it groups by all columns") };
    let is_plain = select.top.is_none()
        && select.into.is_none()
        && select.exclude.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && select.select_modifiers.is_none()
        && modifiers.is_empty()
        && matches!(select.flavor, SelectFlavor::Standard);
    if has_others || !is_plain { refuse("it has a clause that is not understood") } else { Ok(select) }
}

/// Checks that all functions of a part of a statement are known to have no effect and to return one value.
///
/// # Errors
/// [`Refusal`] names the function, or a window.
pub(crate) fn pure(node: &impl Visit) -> Result<(), Refusal> {
    struct Search;
    impl Visitor for Search {
        type Break = Refusal;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
            let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
            if function.over.is_some() {
                return ControlFlow::Break(Refusal("it has a window function".to_owned()));
            }
            let name = function_name(&function.name);
            let is_known = name
                .as_deref()
                .is_some_and(|name| SAFE.contains(&name) || PURE.contains(&name) || AGGREGATES.contains(&name));
            if is_known {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(Refusal(format!("what the function {} does is not known", function.name)))
            }
        }
    }
    match Visit::visit(node, &mut Search) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

/// Returns the name of a function of PostgreSQL's own schema, or of none.
fn function_name(name: &sqlparser::ast::ObjectName) -> Option<String> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(name_of).collect();
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" => Some(name.clone()),
        _ => None,
    }
}

/// Returns whether a part of a statement has an aggregate outside subqueries.
pub(crate) fn has_aggregate(node: &impl Visit) -> bool {
    struct Search(usize);
    impl Visitor for Search {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) if self.0 == 0 => {
                    let is_aggregate = function_name(&function.name)
                        .is_none_or(|name| !SAFE.contains(&name.as_str()) && !PURE.contains(&name.as_str()));
                    if is_aggregate { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(node, &mut Search(0)).is_break()
}

/// Returns whether an expression raises no error on any value, so that it can be evaluated on more rows than before.
/// Arithmetic and casts count as safe only where they have no column.
pub(crate) fn is_error_free(expr: &Expr) -> bool {
    match strip(expr) {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner) => is_error_free(inner),
        Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Not, expr } => is_error_free(expr),
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
            match op {
                And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq => is_error_free(left) && is_error_free(right),
                _ => is_constant(expr),
            }
        }
        Expr::Between { expr, low, high, .. } => is_error_free(expr) && is_error_free(low) && is_error_free(high),
        Expr::InList { expr, list, .. } => is_error_free(expr) && list.iter().all(is_error_free),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => is_error_free(left) && is_constant(right),
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            is_error_free(left) && is_error_free(right)
        }
        Expr::Function(function) => {
            use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
            let is_safe = function_name(&function.name).is_some_and(|name| SAFE.contains(&name.as_str()));
            is_safe
                && function.over.is_none()
                && match &function.args {
                    FunctionArguments::None => true,
                    FunctionArguments::List(list) => list.args.iter().all(
                        |arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_error_free(expr)),
                    ),
                    FunctionArguments::Subquery(_) => false,
                }
        }
        other => is_constant(other),
    }
}

/// Returns whether an expression has no column and no subquery, and only pure functions.
pub(crate) fn is_constant(expr: &Expr) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(expr, &mut Search).is_continue() && pure(expr).is_ok()
}
