//! A dashboard of scalar subqueries: those over the same rows become one pass with FILTER.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, GroupByExpr, Ident, Select, SelectItem};

use crate::advise::database::query::{
    finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
    known::{Context, Known},
    tree::{
        Refusal, Scope, aggregate_of, conjuncts, finish, ident, is_error_free, joined, name_of, plain, pure, refuse,
        strip, wrapped,
    },
};

/// Least number of subqueries over one table.
const SUBQUERIES_MIN: usize = 3;

/// One scalar subquery, read.
struct Part {
    /// Name of the output column.
    name: String,
    /// FROM clause as text.
    from: String,
    /// Aggregate as text.
    aggregate: String,
    conditions: Vec<String>,
    is_error_free: bool,
    /// Whether an index begins with a column that one of its conditions compares.
    is_served: Vec<(String, bool)>,
}

/// Finds a statement without FROM whose columns are scalar subqueries over the same table.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let count = select.projection.iter().filter(|item| subquery(item).is_some()).count();
    if !select.from.is_empty() || count < SUBQUERIES_MIN || !context.matters(known.usage) {
        return None;
    }
    Some(match rewrite(select, known, context) {
        Err(refusal) => context.kept(known, Pattern::ScalarSubqueries, refusal),
        Ok((rewrite, passes)) => {
            let share = 1.0 - passes as f64 / count as f64;
            let rests_on = format!("{count} reads of the same rows become {passes}");
            let saving = context.saving(known.usage, [0.3 * share, 0.8 * share, share], &rests_on);
            context.finding(known, Pattern::ScalarSubqueries, Action::Rewrite(rewrite), saving)
        }
    })
}

fn subquery(item: &SelectItem) -> Option<(&sqlparser::ast::Query, Option<&Ident>)> {
    let (expr, alias) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
        _ => return None,
    };
    match strip(expr) {
        Expr::Subquery(query) => Some((query, alias)),
        _ => None,
    }
}

fn rewrite(select: &Select, known: &Known<'_>, context: &Context<'_>) -> Result<(Rewrite, usize), Refusal> {
    let query = known.query().ok_or_else(|| Refusal("it is no query".to_owned()))?;
    pure(query)?;
    let has_others = select.selection.is_some() || select.distinct.is_some() || select.having.is_some();
    if has_others || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return refuse("it has clauses besides its subqueries");
    }
    let mut parts = Vec::new();
    for item in &select.projection {
        match subquery(item) {
            Some((query, alias)) => parts.push(part(query, alias, context)?),
            None => return refuse("one of its columns is no scalar subquery"),
        }
    }
    // Groups of the same table that share at least one condition, or have none at all.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let fits = |group: &Vec<usize>| {
            let members: Vec<&Part> = group.iter().filter_map(|member| parts.get(*member)).collect();
            members.first().is_some_and(|first| first.from == part.from)
        };
        match groups.iter_mut().find(|group| fits(group)) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    if groups.iter().all(|group| group.len() < SUBQUERIES_MIN) {
        return refuse("its subqueries read different tables; an index that covers each count serves them");
    }
    let mut texts = Vec::new();
    for group in &groups {
        let members: Vec<&Part> = group.iter().filter_map(|member| parts.get(*member)).collect();
        texts.push(pass(&members)?);
    }
    let text = match texts.as_slice() {
        [only] => only.clone(),
        several => {
            for (at, part) in parts.iter().enumerate() {
                if parts.iter().skip(at + 1).any(|other| other.name == part.name) {
                    return refuse("two of its columns have one name");
                }
            }
            let place = |at: usize| groups.iter().position(|group| group.contains(&at)).unwrap_or_default() + 1;
            let outputs: Vec<String> = parts
                .iter()
                .enumerate()
                .map(|(at, part)| format!("pass_{}.{}", place(at), ident(&part.name)))
                .collect();
            let passes: Vec<String> =
                several.iter().enumerate().map(|(nth, text)| format!("({text}) AS pass_{}", nth + 1)).collect();
            format!("SELECT {} FROM {}", outputs.join(", "), passes.join(" CROSS JOIN "))
        }
    };
    let (statement, parameters) = finish(&text, &BTreeMap::new())?;
    let rewrite = Rewrite {
        statement,
        parameters,
        first: None,
        equality: Equality::Always,
        check: Check::Multiset,
        added: Vec::new(),
    };
    Ok((rewrite, groups.len()))
}

/// Reads one subquery: an aggregate over one table with conditions.
fn part(query: &sqlparser::ast::Query, alias: Option<&Ident>, context: &Context<'_>) -> Result<Part, Refusal> {
    let select = plain(query)?;
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let has_others = select.distinct.is_some() || select.having.is_some() || is_grouped;
    if has_others || query.limit_clause.is_some() || query.order_by.is_some() || query.fetch.is_some() {
        return refuse("a subquery has a clause besides its conditions");
    }
    let scope = Scope::of(select, context.catalogue)?;
    let only = scope.only()?;
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice()
    else {
        return refuse("a subquery does not give one value");
    };
    let Some((function, _)) = aggregate_of(item, &scope) else {
        return refuse("a subquery gives something else than a count, a least or greatest value, or an exact sum");
    };
    let inner = match select.projection.first() {
        Some(SelectItem::ExprWithAlias { alias, .. }) => name_of(alias),
        _ => function,
    };
    let conditions = conjuncts(select.selection.as_ref());
    let begins = |name: &str| {
        only.table.indexes.iter().any(|index| index.keys.first().is_some_and(|key| key.column.as_deref() == Some(name)))
    };
    let is_served = conditions
        .iter()
        .map(|condition| {
            let served = match strip(condition) {
                Expr::BinaryOp { left, .. } => scope.column(left).is_some_and(|(_, column)| begins(&column.name)),
                Expr::Between { expr, .. } | Expr::InList { expr, .. } => {
                    scope.column(expr).is_some_and(|(_, column)| begins(&column.name))
                }
                _ => false,
            };
            (wrapped(condition), served)
        })
        .collect();
    Ok(Part {
        name: alias.map_or(inner, name_of),
        from: select.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        aggregate: strip(item).to_string(),
        is_error_free: conditions.iter().all(|condition| is_error_free(condition)),
        conditions: conditions.into_iter().map(wrapped).collect(),
        is_served,
    })
}

/// Returns one SELECT for all members, which read the same table.
fn pass(members: &[&Part]) -> Result<String, Refusal> {
    let Some(first) = members.first() else { return refuse("it has no subquery") };
    let is_alone = members.len() == 1;
    let common: Vec<&String> = first
        .conditions
        .iter()
        .filter(|condition| members.iter().all(|member| member.conditions.contains(condition)))
        .collect();
    if !is_alone && !members.iter().all(|member| member.is_error_free) {
        return refuse("a condition may raise an error on rows that its subquery does not read");
    }
    let own = |member: &Part| -> Vec<String> {
        member.conditions.iter().filter(|condition| !common.contains(condition)).cloned().collect()
    };
    if !is_alone && common.is_empty() {
        let is_served = members.iter().any(|member| member.is_served.iter().any(|(_, served)| *served));
        if is_served {
            return refuse("its subqueries have no condition in common, and indexes serve some of them");
        }
    }
    let outputs: Vec<String> = members
        .iter()
        .map(|member| {
            let own = own(member);
            let filter = if own.is_empty() { String::new() } else { format!(" FILTER (WHERE {})", own.join(" AND ")) };
            format!("{}{filter} AS {}", member.aggregate, ident(&member.name))
        })
        .collect();
    let common: Vec<String> = common.into_iter().cloned().collect();
    Ok(format!("SELECT {} FROM {}{}", outputs.join(", "), first.from, joined(&common)))
}
