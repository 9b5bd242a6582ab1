//! OFFSET to keyset: the next page begins after the last row of the page before.

use std::collections::BTreeMap;

use sqlparser::ast::{BinaryOperator, Expr, LimitClause, OrderByKind, Query, Select};

use super::cursor::{PageKey, after};
use crate::{
    advise::database::query::{
        finding::{Action, Check, Equality, Finding, FirstPage, IndexNeed, Need, Parameter, Pattern, Rewrite, Saving},
        known::{Context, Known},
        tree::{
            Output, Refusal, Scope, conjuncts, directed, finish, has_aggregate, ident, joined, output_names, parameter,
            parameters_in, plain, pure, refuse, strip, text_of_type, unique_keys, wrapped,
        },
    },
    database::{ParameterValues, Table},
};

/// Finds pages by OFFSET.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let Some(LimitClause::LimitOffset { offset: Some(offset), .. }) = &query.limit_clause else { return None };
    if !context.matters(known.usage) || known.usage.calls < 2.0 {
        return None;
    }
    let values = parameters_in(&offset.value).into_iter().next().and_then(|number| known.values(number));
    if values.is_some_and(|values| values.values.iter().all(|(text, _)| text == "0")) {
        return None;
    }
    Some(match rewrite(query, known, context) {
        Err(refusal) => context.kept(known, Pattern::Keyset, refusal),
        Ok((rewrite, index)) => {
            let saving = saving(known, context, query, values);
            let finding = context.finding(known, Pattern::Keyset, Action::Rewrite(rewrite), saving);
            finding.needing(index.map(Need::Index)).noting(
                "The application keeps the order's values of the last row as they are, timestamps with their microseconds, \
                 and sends them with the next page.",
            )
        }
    })
}

fn rewrite(query: &Query, known: &Known<'_>, context: &Context<'_>) -> Result<(Rewrite, Option<IndexNeed>), Refusal> {
    let select = plain(query)?;
    pure(query)?;
    let Some(LimitClause::LimitOffset { offset: Some(offset), limit_by, .. }) = &query.limit_clause else {
        return refuse("it has no OFFSET");
    };
    if !limit_by.is_empty() {
        return refuse("it has a clause that is not understood");
    }
    if query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent) {
        return refuse("the rows of its page are not counted alone (WITH TIES or PERCENT)");
    }
    let Some(limit) = page_limit(query) else {
        return refuse("it has no LIMIT, so that it reads all rows behind the OFFSET");
    };
    if select.distinct.is_some() || select.having.is_some() || has_groups(select) {
        return refuse("DISTINCT or GROUP BY forms its rows, so that no row of a table identifies the end of a page");
    }
    if has_aggregate(&select.projection) {
        return refuse("it has an aggregate");
    }
    if let Some(values) = parameters_in(&offset.value).into_iter().find_map(|number| known.values(number))
        && jumps(values, size(known, limit))
    {
        return refuse("its pages are opened at random, and keyset pages follow each other");
    }
    let scope = Scope::of(select, context.catalogue)?;
    let base = scope.tables.first().ok_or_else(|| Refusal("it reads no table".to_owned()))?;
    if let Some(repeating) = repeating(&scope) {
        return refuse(format!(
            "the join with {repeating} may repeat a row, so that no column identifies the end of a page"
        ));
    }
    let keys = keys(query, select, &scope)?;
    let names = output_names(select, &scope)
        .ok_or_else(|| Refusal("the names of its output columns are not certain".to_owned()))?;

    // Values of the last row have to be in the result.
    let mut projection = list(&select.projection);
    let mut added = Vec::new();
    let mut roles = BTreeMap::new();
    let first = parameters_in(query).last().copied().unwrap_or(0) + 1;
    for (nth, key) in keys.iter().enumerate() {
        let found =
            names.iter().find(|(_, column)| column.is_some_and(|(at, column)| at == 0 && column.name == key.name));
        let name = match found {
            Some((name, _)) => name.clone(),
            None => {
                let is_free = names.iter().all(|(name, _)| *name != key.name);
                let name = if is_free { key.name.clone() } else { format!("cursor_{}", key.name) };
                projection.push_str(&format!(", {}", key.text));
                if !is_free {
                    projection.push_str(&format!(" AS {}", ident(&name)));
                }
                added.push(name.clone());
                name
            }
        };
        roles.insert(first + nth, Parameter::Last(name));
    }
    let order: Vec<String> = keys
        .iter()
        .map(|key| {
            directed(
                &key.text,
                key.is_descending,
                key.nulls_first && key.is_nullable || key.is_descending && !key.is_nullable,
            )
        })
        .collect();
    let conditions: Vec<String> = conjuncts(select.selection.as_ref()).into_iter().map(wrapped).collect();
    let text = |conditions: &[String]| {
        let (from, order) = (list(&select.from), order.join(", "));
        format!("SELECT {projection} FROM {from}{} ORDER BY {order} LIMIT {limit}", joined(conditions))
    };
    let (first_text, first_parameters) = finish(&text(&conditions), &roles)?;
    let mut bounded = conditions;
    bounded.push(after(&keys, first)?);
    let (statement, parameters) = finish(&text(&bounded), &roles)?;
    let given = order_keys(query).map_or(0, <[_]>::len);
    let broken = keys.iter().skip(given).map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
    let ties = if broken.is_empty() {
        String::new()
    } else {
        format!("; rows that the order leaves equal come by {broken}, where their order is not defined today")
    };
    let equality = Equality::When(format!(
        "pages are read one after the other and no page is opened by its number; rows that are inserted or deleted meanwhile \
         move no other row to another page, as they do with OFFSET{ties}"
    ));
    let index = index_need(base.table, known, &keys);
    let first = Some(FirstPage { statement: first_text, parameters: first_parameters });
    Ok((Rewrite { statement, parameters, first, equality, check: Check::Pages, added }, index))
}

/// Returns the number of rows of a page: of LIMIT, or of `FETCH NEXT n ROWS ONLY`.
fn page_limit(query: &Query) -> Option<&Expr> {
    let Some(LimitClause::LimitOffset { limit, .. }) = &query.limit_clause else { return None };
    limit.as_ref().or_else(|| query.fetch.as_ref()?.quantity.as_ref())
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn has_groups(select: &Select) -> bool {
    !matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(keys, _) if keys.is_empty())
}

fn order_keys(query: &Query) -> Option<&[sqlparser::ast::OrderByExpr]> {
    match &query.order_by.as_ref()?.kind {
        OrderByKind::Expressions(keys) => Some(keys),
        OrderByKind::All(_) => None,
    }
}

/// Returns the alias of a joined table that may repeat a row of the first one.
fn repeating<'s>(scope: &'s Scope<'_>) -> Option<&'s str> {
    let repeats = |at: usize| {
        let named = scope.tables.get(at)?;
        let equal: Vec<&str> = conjuncts(named.on)
            .into_iter()
            .filter_map(|condition| match strip(condition) {
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                    let side = |expr: &Expr| scope.column(expr);
                    match (side(left), side(right)) {
                        (Some((a, column)), other) if a == at && other.is_none_or(|(b, _)| b != at) => {
                            (other.is_some() || parameter(right).is_some()).then_some(column.name.as_str())
                        }
                        (other, Some((b, column))) if b == at => (other.is_some_and(|(a, _)| a != at)
                            || parameter(left).is_some())
                        .then_some(column.name.as_str()),
                        _ => None,
                    }
                }
                _ => None,
            })
            .collect();
        let is_unique =
            unique_keys(named.table).iter().any(|key| key.iter().all(|column| equal.contains(&column.as_str())));
        let is_left = named.is_optional && !named.is_inner;
        let first_is_kept = scope.tables.first().is_some_and(|first| !first.is_optional);
        (!is_unique || !(named.is_inner || is_left) || !first_is_kept).then_some(named.alias.as_str())
    };
    (1..scope.tables.len()).find_map(repeats)
}

/// Returns the keys of the order, with a unique key of the first table added where they are not total.
fn keys(query: &Query, select: &Select, scope: &Scope<'_>) -> Result<Vec<PageKey>, Refusal> {
    let Some(given) = order_keys(query).filter(|keys| !keys.is_empty()) else {
        return refuse("it has no ORDER BY, so that its pages have no order");
    };
    let names = output_names(select, scope);
    let mut keys: Vec<PageKey> = Vec::new();
    // In ORDER BY a bare name means an output column, which may be another column of this name.
    let is_hidden = |(name, column): &Output<'_>| {
        let own = scope.tables.first().and_then(|named| named.table.column(name));
        own.is_some_and(|own| !column.is_some_and(|(at, column)| at == 0 && column.name == own.name))
    };
    let mut is_qualified = scope.tables.len() > 1 || names.iter().flatten().any(is_hidden);
    for key in given {
        if key.with_fill.is_some() {
            return refuse("its order has a clause that is not understood");
        }
        // A bare name means an output column first.
        let output = match strip(&key.expr) {
            Expr::Identifier(name) => {
                let name = super::super::tree::name_of(name);
                names.iter().flatten().find(|(known, _)| *known == name).map(|(_, column)| *column)
            }
            _ => None,
        };
        let found = output.unwrap_or_else(|| scope.column(&key.expr));
        let Some((at, column)) = found else {
            return refuse(format!("its order is computed ({})", key.expr));
        };
        if at != 0 {
            return refuse(format!("{} is of a joined table, and no index has columns of two tables", key.expr));
        }
        let Some(type_name) = text_of_type(&column.type_name) else {
            return refuse(format!("the order of type {} is not known", column.type_name));
        };
        if keys.iter().any(|known| known.name == column.name) {
            continue;
        }
        is_qualified |= matches!(key.expr, Expr::CompoundIdentifier(_));
        let is_descending = key.options.asc == Some(false);
        let is_nullable = !column.not_null && !excludes_null(select, scope, &column.name);
        keys.push(PageKey {
            text: key_text(scope, is_qualified, &column.name),
            name: column.name.clone(),
            type_name,
            is_descending,
            nulls_first: key.options.nulls_first.unwrap_or(is_descending),
            is_nullable,
        });
    }
    let table = scope.tables.first().map(|named| named.table);
    let unique = table.map(unique_keys).unwrap_or_default();
    let is_total = unique.iter().any(|key| key.iter().all(|column| keys.iter().any(|known| known.name == *column)));
    if is_total {
        return Ok(keys);
    }
    let Some(breaker) = unique.first() else {
        return refuse("its order is not total, and the table has no unique key to complete it");
    };
    let is_descending = keys.last().is_some_and(|key| key.is_descending);
    for name in breaker {
        if keys.iter().any(|key| key.name == *name) {
            continue;
        }
        let type_name = table.and_then(|table| table.column(name)).and_then(|column| text_of_type(&column.type_name));
        let Some(type_name) = type_name else { return refuse(format!("the order of {name} is not known")) };
        let text = key_text(scope, is_qualified, name);
        keys.push(PageKey {
            text,
            name: name.clone(),
            type_name,
            is_descending,
            nulls_first: is_descending,
            is_nullable: false,
        });
    }
    Ok(keys)
}

fn key_text(scope: &Scope<'_>, is_qualified: bool, column: &str) -> String {
    match scope.tables.first().filter(|_| is_qualified) {
        Some(named) => format!("{}.{}", ident(&named.alias), ident(column)),
        None => ident(column),
    }
}

/// Returns whether a condition on the first table's column excludes NULL.
fn excludes_null(select: &Select, scope: &Scope<'_>, name: &str) -> bool {
    let is_it = |expr: &Expr| scope.column(expr).is_some_and(|(at, column)| at == 0 && column.name == name);
    conjuncts(select.selection.as_ref()).into_iter().any(|condition| match strip(condition) {
        Expr::IsNotNull(inner) => is_it(inner),
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq};
            matches!(op, Eq | Gt | GtEq | Lt | LtEq) && (is_it(left) || is_it(right))
        }
        Expr::Between { expr, negated: false, .. } => is_it(expr),
        _ => false,
    })
}

/// Returns the index on the columns that are compared with a value, then the keys of the order; none if one exists.
fn index_need(table: &Table, known: &Known<'_>, keys: &[PageKey]) -> Option<IndexNeed> {
    use crate::database::shape::{Key, Test};
    let block = known.shape.blocks.first()?;
    let mut equal: Vec<&str> = Vec::new();
    for filter in block.filters.iter().filter(|filter| filter.relation == 0) {
        if let (Key::Column(name), Test::Equal(_)) = (&filter.key, &filter.test)
            && !equal.contains(&name.as_str())
            && keys.iter().all(|key| key.name != *name)
        {
            equal.push(name);
        }
    }
    let serves = |index: &crate::database::Index| {
        let leading = index.keys.iter().take(equal.len());
        let fits = leading.clone().count() == equal.len()
            && leading.clone().all(|key| key.column.as_deref().is_some_and(|name| equal.contains(&name)));
        let rest: Vec<_> = index.keys.iter().skip(equal.len()).take(keys.len()).collect();
        let turned = rest.first().zip(keys.first()).is_some_and(|(have, want)| have.descending != want.is_descending);
        let has_nulls = |have: &crate::database::IndexKey, want: &PageKey| {
            !want.is_nullable || (have.nulls_first != want.nulls_first) == turned
        };
        index.valid
            && index.method == "btree"
            && index.predicate.is_none()
            && fits
            && rest.len() == keys.len()
            && rest.iter().zip(keys).all(|(have, want)| {
                have.column.as_deref() == Some(&want.name)
                    && (have.descending != want.is_descending) == turned
                    && has_nulls(have, want)
            })
    };
    if table.indexes.iter().any(serves) {
        return None;
    }
    let ordered = keys.iter().map(|key| {
        let nulls_first = if key.is_nullable { key.nulls_first } else { key.is_descending };
        directed(&ident(&key.name), key.is_descending, nulls_first)
    });
    Some(IndexNeed {
        table: table.key(),
        method: "btree".to_owned(),
        keys: equal.iter().map(|name| ident(name)).chain(ordered).collect(),
    })
}

/// Returns the number of rows of a page, where it is known.
fn size(known: &Known<'_>, limit: &Expr) -> Option<f64> {
    if let Expr::Value(value) = strip(limit)
        && let sqlparser::ast::Value::Number(digits, _) = &value.value
    {
        return rows_of(digits).filter(|size| *size > 0.0);
    }
    let values = known.values(parameters_in(limit).into_iter().next()?)?;
    rows_of(&values.values.first()?.0).filter(|size| *size > 0.0)
}

/// Reads a number of rows; none of a text that is no finite number, or a negative one.
fn rows_of(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rows: &f64| rows.is_finite() && *rows >= 0.0)
}

/// Returns whether the values of OFFSET show pages that do not follow each other: less than a quarter of the pages before
/// the last one were opened.
fn jumps(values: &ParameterValues, size: Option<f64>) -> bool {
    let offsets: Vec<f64> = values.values.iter().filter_map(|(text, _)| rows_of(text)).collect();
    let last = offsets.iter().copied().fold(0.0, f64::max);
    let smallest = offsets.iter().copied().filter(|offset| *offset > 0.0).fold(f64::INFINITY, f64::min);
    let pages = last / size.unwrap_or(smallest).max(1.0);
    let opened = offsets.iter().filter(|offset| **offset > 0.0).count();
    values.seen >= 8.0 && pages >= 8.0 && (opened as f64) < pages.min(32.0) / 4.0
}

/// Estimates the saving from the rows that OFFSET reads in vain.
fn saving(known: &Known<'_>, context: &Context<'_>, query: &Query, values: Option<&ParameterValues>) -> Saving {
    let size = page_limit(query).and_then(|limit| size(known, limit));
    if let (Some(values), Some(size)) = (values, size.or_else(|| Some(known.rows()).filter(|rows| *rows > 0.0))) {
        let read = values.values.iter().filter_map(|(text, times)| Some((rows_of(text)?, *times)));
        let (skipped, times) = read.fold((0.0, 0.0), |(sum, all), (offset, times)| (sum + offset * times, all + times));
        if times > 0.0 {
            let share = skipped / times / (skipped / times + size);
            return context.saving(known.usage, [share * 0.5, share, share], "rows that the values of OFFSET skip");
        }
    }
    context.saving(
        known.usage,
        [0.1, 0.5, 0.95],
        "the depth of the pages is not known, since the values of OFFSET are not",
    )
}
