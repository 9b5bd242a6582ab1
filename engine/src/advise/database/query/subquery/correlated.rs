//! An aggregate of another table for each row of a list: one grouped subquery that is joined.

use std::{collections::BTreeMap, ops::ControlFlow};

use sqlparser::ast::{BinaryOperator, Expr, GroupByExpr, Query, Select, SelectItem, Visit, Visitor};

use crate::{
    advise::database::query::{
        finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
        known::{Context, Known},
        tree::{
            Refusal, Scope, aggregate_of, conjuncts, finish, has_aggregate, ident, is_error_free, joined, name_of,
            plain, pure, refuse, strip, text_of_type, wrapped,
        },
    },
    database::Column,
};

/// Least mean number of rows of the list: for a few rows, a subquery for each is the better plan.
const ROWS_MIN: f64 = 100.0;

/// Least share of the key's values that the list reads, for one pass over all of them to be the better plan.
const READ_MIN: f64 = 0.3;

/// Finds aggregates in the columns of a list that run once for each row.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let place =
        select.projection.iter().position(|item| inner(item).is_some_and(|query| correlated(query, context)))?;
    if select.from.is_empty() || known.rows() < ROWS_MIN || !context.matters(known.usage) {
        return None;
    }
    Some(match rewrite(known, select, place, context) {
        Err(refusal) => context.kept(known, Pattern::CorrelatedSubquery, refusal),
        Ok(rewrite) => {
            let rests_on = format!("{:.0} executions of the subquery become one", known.rows());
            let saving = context.saving(known.usage, [0.0, 0.5, 0.95], &rests_on);
            context.finding(known, Pattern::CorrelatedSubquery, Action::Rewrite(rewrite), saving)
        }
    })
}

fn inner(item: &SelectItem) -> Option<&Query> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => match strip(expr) {
            Expr::Subquery(query) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether a subquery names a column that none of its own tables has.
fn correlated(query: &Query, context: &Context<'_>) -> bool {
    let Some(scope) = plain(query).ok().and_then(|select| Scope::of(select, context.catalogue).ok()) else {
        return false;
    };
    foreign(query, &scope)
}

fn foreign(node: &impl Visit, scope: &Scope<'_>) -> bool {
    struct Search<'s, 'a>(&'s Scope<'a>);
    impl Visitor for Search<'_, '_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let is_name = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if is_name && self.0.column(expr).is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    Visit::visit(node, &mut Search(scope)).is_break()
}

fn rewrite(known: &Known<'_>, select: &Select, place: usize, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    let Some(query) = known.query() else { return refuse("it is no query") };
    pure(query)?;
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return refuse("it has LIMIT, and a subquery for each row of a page is the better plan");
    }
    let is_grouped = |select: &Select| {
        let has_keys = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
        has_keys || select.having.is_some() || select.distinct.is_some()
    };
    let has_aggregates = select.projection.iter().any(|item| inner(item).is_none() && has_aggregate(item));
    if is_grouped(select) || has_aggregates {
        return refuse("the list groups its rows");
    }
    let outer = Scope::of(select, context.catalogue)?;
    let is_whole = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
    if select.projection.iter().any(is_whole) {
        return refuse("the list returns all columns (*), to which those of the joined subquery would be added");
    }
    let Some(subquery) = select.projection.get(place).and_then(inner) else { return refuse("it has no subquery") };
    let inside = plain(subquery)?;
    if is_grouped(inside) || subquery.limit_clause.is_some() || subquery.fetch.is_some() || subquery.order_by.is_some()
    {
        return refuse("the subquery has a clause besides its conditions");
    }
    let scope = Scope::of(inside, context.catalogue)?;
    let only = scope.only()?;
    if outer.tables.iter().any(|named| named.alias == only.alias) {
        return refuse("a table has one name inside and outside of the subquery");
    }
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = inside.projection.as_slice()
    else {
        return refuse("the subquery does not give one value");
    };
    let Some((function, _)) = aggregate_of(item, &scope) else {
        return refuse("the subquery gives something else than a count, a least or greatest value, or an exact sum");
    };
    let (own, outer_key, conditions) = correlation(inside, &scope, &outer)?;
    // One pass reads the rows of all values, those of the list and the others.
    let values = own.statistics.as_ref().zip(only.table.rows).map(|(known, rows)| known.distinct_values(rows));
    if values.is_some_and(|values| known.rows() < READ_MIN * values) {
        return refuse(format!(
            "the list reads few of the values of {}; one pass would read the rows of all, and an index on it serves each",
            own.name
        ));
    }
    let key = format!("{}.{}", ident(&only.alias), ident(&own.name));
    let text = query.to_string();
    if ["matched_key", "matched_value", "matched_rows"].iter().any(|name| text.to_lowercase().contains(name)) {
        return refuse("it has a name of the rewritten statement");
    }
    let value =
        if function == "count" { "COALESCE(matched_rows.matched_value, 0)" } else { "matched_rows.matched_value" };
    let name = match (select.projection.get(place), inside.projection.first()) {
        (Some(SelectItem::ExprWithAlias { alias, .. }), _) => name_of(alias),
        (_, Some(SelectItem::ExprWithAlias { alias, .. })) => name_of(alias),
        _ => function,
    };
    let projection: Vec<String> = select
        .projection
        .iter()
        .enumerate()
        .map(|(at, item)| if at == place { format!("{value} AS {}", ident(&name)) } else { item.to_string() })
        .collect();
    let from = |select: &Select| select.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if select.from.len() != 1 {
        return refuse("its tables are joined by commas");
    }
    let joining = format!(
        "LEFT JOIN (SELECT {key} AS matched_key, {} AS matched_value FROM {}{} GROUP BY {key}) AS matched_rows ON \
         matched_rows.matched_key = {outer_key}",
        strip(item),
        from(inside),
        joined(&conditions),
    );
    let outside: Vec<String> = conjuncts(select.selection.as_ref()).into_iter().map(wrapped).collect();
    let order = query.order_by.as_ref().map(|order| format!(" {}", order.to_string().trim())).unwrap_or_default();
    let text = format!("SELECT {} FROM {} {joining}{}{order}", projection.join(", "), from(select), joined(&outside));
    let (statement, parameters) = finish(&text, &BTreeMap::new())?;
    Ok(Rewrite {
        statement,
        parameters,
        first: None,
        equality: Equality::Always,
        check: Check::Multiset,
        added: Vec::new(),
    })
}

/// Splits the conditions of the subquery: its key, the outer column that is equal to it, and the rest, which names only its
/// own table.
fn correlation<'a>(
    inside: &Select,
    scope: &Scope<'a>,
    outer: &Scope<'_>,
) -> Result<(&'a Column, String, Vec<String>), Refusal> {
    let (mut found, mut rest) = (None, Vec::new());
    for condition in conjuncts(inside.selection.as_ref()) {
        if !foreign(condition, scope) {
            if !is_error_free(condition) {
                return refuse("a condition may raise an error on rows that the subquery does not read");
            }
            rest.push(wrapped(condition));
            continue;
        }
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = strip(condition) else {
            return refuse("the subquery depends on the row by something else than one equality");
        };
        let sides = [(left, right), (right, left)].into_iter().find_map(|(own, theirs)| {
            let (_, own_column) = scope.column(own)?;
            if scope.column(theirs).is_some() {
                return None;
            }
            let (at, column) = outer.column(theirs)?;
            Some((own_column, at, column))
        });
        let Some((own, at, theirs)) = sides else {
            return refuse("the subquery depends on the row by something else than one equality of columns");
        };
        if found.is_some() {
            return refuse("the subquery depends on the row by several columns");
        }
        if own.type_name != theirs.type_name || text_of_type(&own.type_name).is_none() {
            return refuse("the columns of the equality have different types");
        }
        let Some(their_table) = outer.tables.get(at) else { return refuse("a column has no table") };
        found = Some((own, format!("{}.{}", ident(&their_table.alias), ident(&theirs.name))));
    }
    match found {
        Some((own, outer_key)) => Ok((own, outer_key, rest)),
        None => refuse("the subquery does not depend on the row"),
    }
}
