//! `ORDER BY random()`, which sorts the whole table for a few rows.

use sqlparser::ast::{Expr, OrderByKind};

use crate::advise::database::query::{
    finding::{Action, Finding, Pattern},
    known::{Context, Known},
    tree::strip,
};

/// Finds lists in random order.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let OrderByKind::Expressions(keys) = &query.order_by.as_ref()?.kind else { return None };
    let is_random = keys.iter().any(|key| match strip(&key.expr) {
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("random"),
        _ => false,
    });
    let is_limited = query.limit_clause.is_some() || query.fetch.is_some();
    if !is_random || !is_limited || !context.matters(known.usage) {
        return None;
    }
    let what = "Draw random values of the key in the application and read the rows at or after them, or read \
                `TABLESAMPLE SYSTEM` with a share that gives some rows more than are needed. The sample is another one: rows \
                after a gap of the key, or of the same page of the table, are drawn more often or together."
        .to_owned();
    let saving = context.saving(known.usage, [0.3, 0.9, 0.99], "a few rows are read in place of all");
    Some(context.finding(known, Pattern::RandomOrder, Action::Change { what, statement: None }, saving))
}
