//! `x NOT IN (SELECT y …)` to NOT EXISTS, which an anti join answers.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, GroupByExpr, Select, SelectItem};

use crate::advise::database::query::{
    finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
    known::{Context, Known},
    tree::{Refusal, Scope, conjuncts, finish, has_aggregate, ident, plain, pure, refuse, strip, wrapped},
};

/// Finds NOT IN over a subquery among the conditions of a SELECT.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let select = plain(known.query()?).ok()?;
    let condition = conjuncts(select.selection.as_ref())
        .into_iter()
        .find(|condition| matches!(strip(condition), Expr::InSubquery { negated: true, .. }))?;
    if !context.matters(known.usage) {
        return None;
    }
    Some(match rewrite(known, select, condition, context) {
        Err(refusal) => context.kept(known, Pattern::NotInNull, refusal),
        Ok(rewrite) => {
            let rests_on =
                "an anti join reads the subquery once; PostgreSQL does so by itself where its rows fit into work_mem";
            let saving = context.saving(known.usage, [0.0, 0.3, 0.95], rests_on);
            context.finding(known, Pattern::NotInNull, Action::Rewrite(rewrite), saving)
        }
    })
}

fn rewrite(known: &Known<'_>, select: &Select, condition: &Expr, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    let Some(query) = known.query() else { return refuse("it is no query") };
    pure(query)?;
    let Expr::InSubquery { expr, subquery, negated: true } = strip(condition) else {
        return refuse("it has no NOT IN");
    };
    let outer = Scope::of(select, context.catalogue)?;
    let inner_select = plain(subquery)?;
    let is_grouped = !matches!(&inner_select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let is_first = matches!(inner_select.distinct, Some(sqlparser::ast::Distinct::On(_)));
    let has_others = is_first
        || is_grouped
        || inner_select.having.is_some()
        || subquery.limit_clause.is_some()
        || subquery.fetch.is_some();
    if has_others || has_aggregate(&inner_select.projection) {
        return refuse("the subquery groups or limits its rows");
    }
    let inner = Scope::of(inner_select, context.catalogue)?;
    if inner.tables.iter().any(|named| outer.tables.iter().any(|other| other.alias == named.alias)) {
        return refuse("a table has one name inside and outside of the subquery");
    }
    let Some((at, column)) = outer.column(expr) else { return refuse("it compares no column") };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        inner_select.projection.as_slice()
    else {
        return refuse("the subquery does not give one column");
    };
    let Some((inner_at, inner_column)) = inner.column(item) else { return refuse("the subquery gives no column") };
    let (Some(left), Some(right)) = (outer.tables.get(at), inner.tables.get(inner_at)) else {
        return refuse("a column has no table");
    };
    if left.is_optional {
        return refuse("an outer join fills the compared column with NULL");
    }
    let equal = format!(
        "{}.{} = {}.{}",
        ident(&right.alias),
        ident(&inner_column.name),
        ident(&left.alias),
        ident(&column.name)
    );
    let mut conditions: Vec<String> = conjuncts(inner_select.selection.as_ref()).into_iter().map(wrapped).collect();
    conditions.push(equal);
    let from = inner_select.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let exists = format!("NOT EXISTS (SELECT 1 FROM {from} WHERE {})", conditions.join(" AND "));
    let (text, old) = (query.to_string(), condition.to_string());
    if text.matches(&old).count() != 1 {
        return refuse("the condition occurs twice");
    }
    let (statement, parameters) = finish(&text.replacen(&old, &exists, 1), &BTreeMap::new())?;
    let (x, y) = (&column.name, &inner_column.name);
    let inner_nullable = !inner_column.not_null || right.is_optional;
    let equality = match (!column.not_null, inner_nullable) {
        (false, false) => Equality::Always,
        (true, false) => Equality::When(format!("{x} is never NULL; a row whose {x} is NULL appears only afterwards")),
        (false, true) => Equality::When(format!(
            "{y} is never NULL in the subquery; a single NULL there makes the result empty today"
        )),
        (true, true) => Equality::When(format!(
            "neither {x} nor {y} is NULL; a single NULL in the subquery makes the result empty today, and a row whose {x} is \
             NULL appears only afterwards"
        )),
    };
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Multiset, added: Vec::new() })
}
