//! Wide columns in the rows of a list, which ORMs load with every entity, also with those of a join.

use std::collections::BTreeSet;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::{
    finding::{Action, Finding, Pattern},
    known::{Context, Known},
    tree::{Scope, ident, name_of, output_names, plain, strip, unique_keys},
};
use crate::database::{Column, shape::Verb};

/// Least mean rows of one execution: a page of one entity shows all of it.
const ROWS_MIN: f64 = 2.0;
/// Least mean width of a column that counts as wide, in bytes.
const WIDE_MIN: f64 = 64.0;
/// Least share of the row's width that wide columns take.
const SHARE_MIN: f64 = 0.4;
/// Least bytes of wide columns that one execution returns, in the mean.
const BYTES_MIN: f64 = 2_048.0;
/// Least bytes of wide columns that all executions return in a day.
const BYTES_A_DAY_MIN: f64 = 1_048_576.0;
/// Least executions.
const CALLS_MIN: f64 = 20.0;
/// Share of the time that reading and sending wide values takes, for each share of the row's width: expected and most.
const TIME_OF_WIDTH: [f64; 2] = [0.2, 0.7];

/// Wide columns of one table that the statement returns whole.
struct Wide<'a> {
    /// Index of the table in the scope.
    at: usize,
    columns: Vec<&'a Column>,
    /// Statements that read the table and its columns one by one, and those of them that read no wide column.
    others: [usize; 2],
}

/// Finds lists that return all columns of a table, some of them wide.
///
/// The cost is in reading, sending and decoding the values, so that the least time of other patterns does not apply. Values
/// that are stored out of line cost most: each is a search in the TOAST table.
pub(super) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let scope = Scope::of(select, context.catalogue).ok()?;
    let names = output_names(select, &scope)?;
    if known.rows() < ROWS_MIN || known.usage.calls < CALLS_MIN || is_grouped(select) {
        return None;
    }
    let shown: Vec<(usize, &Column)> = names.iter().filter_map(|(_, column)| *column).collect();
    let found = (0..scope.tables.len()).filter_map(|at| wide(at, &shown, known, context, &scope));
    // Rows that are distinct stay apart by their key.
    let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
    let has_key = |wide: &Wide<'_>| {
        scope.tables.get(wide.at).is_some_and(|named| !is_distinct || !unique_keys(named.table).is_empty())
    };
    let found: Vec<Wide<'_>> = found.filter(has_key).collect();
    let bytes = |(at, column): (usize, &Column)| {
        scope.tables.get(at).and_then(|named| named.table.value_bytes(column)).unwrap_or(0.0)
    };
    let left_out = || found.iter().flat_map(|wide| wide.columns.iter().map(|column| (wide.at, *column)));
    let total: f64 = shown.iter().map(|shown| bytes(*shown)).sum();
    let spared: f64 = left_out().map(bytes).sum();
    let is_rare = context.a_day(spared * known.usage.rows).is_some_and(|bytes| bytes < BYTES_A_DAY_MIN);
    if found.is_empty() || spared < SHARE_MIN * total || spared * known.rows() < BYTES_MIN || is_rare {
        return None;
    }
    let statement = narrowed(query, select, &scope, &found);
    let list = listed(&scope, &found);
    let what = format!("Read the columns that the list shows; leave out {list} unless it shows them.");
    let share = spared / total;
    let pages: f64 =
        left_out().filter_map(|(at, column)| Some(scope.tables.get(at)?.table.out_of_line_pages(column))).sum::<f64>()
            * known.rows();
    let blocks = (known.usage.blocks_hit + known.usage.blocks_read) / known.usage.calls;
    let (range, rests_on) = if pages > 0.0 && blocks > 0.0 {
        let part = (pages / blocks).min(1.0);
        let middle = part.max(TIME_OF_WIDTH[0] * share);
        let upper = part + TIME_OF_WIDTH[1] * share * (1.0 - part);
        ([0.4 * middle, middle, upper], "the share of the pages read that have values stored out of line")
    } else {
        let range = [0.0, TIME_OF_WIDTH[0] * share, TIME_OF_WIDTH[1] * share];
        (range, "the share of the row's width that is left out; time to find the rows stays")
    };
    let saving = context.saving(known.usage, range, rests_on);
    let mut finding =
        context.finding(known, Pattern::SelectStar, Action::Change { what, statement }, saving).noting(format!(
            "{list} take {spared:.0} of {total:.0} bytes of a row, {:.0} KiB in one execution of {:.0} rows.",
            spared * known.rows() / 1024.0,
            known.rows(),
        ));
    if pages > 0.0 && blocks > 0.0 {
        finding = finding.noting(format!(
            "Values that are stored out of line take about {:.0} of the {blocks:.0} pages that an execution reads.",
            pages.min(blocks)
        ));
    }
    for wide in &found {
        let [others, without] = wide.others;
        let table = scope.tables.get(wide.at).map_or_else(String::new, |named| named.table.qualified());
        finding =
            finding.noting(format!("{without} of {others} other statements on {table} read none of these columns."));
    }
    Some(finding.noting("Which columns the application uses is not known from the statements."))
}

/// Returns the wide columns of a table whose columns are all in the output; none if it is not whole, or if no other statement
/// shows that they can be left out.
fn wide<'a>(
    at: usize,
    shown: &[(usize, &'a Column)],
    known: &Known<'_>,
    context: &Context<'_>,
    scope: &Scope<'a>,
) -> Option<Wide<'a>> {
    let named = scope.tables.get(at)?;
    let own: Vec<&Column> = shown.iter().filter(|(table, _)| *table == at).map(|(_, column)| *column).collect();
    let distinct: BTreeSet<&str> = own.iter().map(|column| column.name.as_str()).collect();
    if distinct.len() != named.table.columns.len() || own.len() != distinct.len() {
        return None;
    }
    // The list keeps what its conditions compare, and the key that identifies its rows.
    let mut kept = compared(known, &named.alias);
    kept.extend(unique_keys(named.table).into_iter().next().unwrap_or_default());
    let is_wide = |column: &&Column| named.table.value_bytes(column).is_some_and(|bytes| bytes >= WIDE_MIN);
    let columns: Vec<&Column> = own.into_iter().filter(is_wide).filter(|column| !kept.contains(&column.name)).collect();
    let others = others(known, context, &named.table.key());
    let without = others.iter().filter(|read| columns.iter().all(|column| !read.contains(&column.name))).count();
    // Without another list to compare with, nothing shows that the columns can be left out.
    (!columns.is_empty() && without > 0).then_some(Wide { at, columns, others: [others.len(), without] })
}

/// Returns whether rows are grouped.
fn is_grouped(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        GroupByExpr::All(_) => true,
    }
}

/// Returns the statement without the wide columns; none if it orders by the position of a column, or selects something that
/// is not a column.
fn narrowed(query: &Query, select: &Select, scope: &Scope<'_>, found: &[Wide<'_>]) -> Option<String> {
    let is_position = |expr: &Expr| matches!(strip(expr), Expr::Value(_));
    let orders_by_position = query.order_by.as_ref().is_some_and(|order| match &order.kind {
        OrderByKind::Expressions(keys) => keys.iter().any(|key| is_position(&key.expr)),
        OrderByKind::All(_) => true,
    });
    if orders_by_position {
        return None;
    }
    let is_wide = |at: usize, column: &Column| {
        found.iter().any(|wide| wide.at == at && wide.columns.iter().any(|other| other.name == column.name))
    };
    let is_alone = scope.tables.len() == 1;
    let narrow = |at: usize| -> Vec<String> {
        let Some(named) = scope.tables.get(at) else { return Vec::new() };
        let left = named.table.columns.iter().filter(|column| !is_wide(at, column));
        let written = |column: &Column| {
            let name = ident(&column.name);
            if is_alone { name } else { format!("{}.{name}", ident(&named.alias)) }
        };
        left.map(written).collect()
    };
    let mut items: Vec<String> = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => items.extend((0..scope.tables.len()).flat_map(narrow)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let alias = name.0.last()?.as_ident().map(name_of)?;
                items.extend(narrow(scope.tables.iter().position(|named| named.alias == alias)?));
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                if scope.column(expr).is_none_or(|(at, column)| !is_wide(at, column)) {
                    items.push(item.to_string());
                }
            }
            _ => return None,
        }
    }
    let old = format!("SELECT {}", select.projection.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let text = query.to_string();
    let can_replace = !items.is_empty() && text.starts_with(&old);
    can_replace.then(|| text.replacen(&old, &format!("SELECT {}", items.join(", ")), 1))
}

/// Returns the names of the wide columns, those of a join with their table's name: `users.avatar, tasks.payload`.
fn listed(scope: &Scope<'_>, found: &[Wide<'_>]) -> String {
    let mut names = Vec::new();
    for wide in found {
        let Some(named) = scope.tables.get(wide.at) else { continue };
        names.extend(wide.columns.iter().map(|column| match scope.tables.len() {
            1 => column.name.clone(),
            _ => format!("{}.{}", named.table.name, column.name),
        }));
    }
    names.join(", ")
}

/// Returns the columns of a table that the statement's conditions compare, or by which it orders.
fn compared(known: &Known<'_>, alias: &str) -> BTreeSet<String> {
    let Some(block) = known.shape.blocks.first() else { return BTreeSet::new() };
    let is_own = |relation: usize| block.relations.get(relation).is_some_and(|relation| relation.alias == alias);
    let filters = block.filters.iter().map(|filter| (filter.relation, &filter.key));
    let order = block.order.iter().map(|key| (key.relation, &key.key));
    let joins = block.joins.iter().flat_map(|join| [&join.left, &join.right]).map(|(relation, key)| (*relation, key));
    let keys = filters.chain(order).chain(joins).filter(|(relation, _)| is_own(*relation));
    keys.filter_map(|(_, key)| key.column()).map(str::to_owned).collect()
}

/// Returns the columns that other SELECTs use of the table.
fn others(known: &Known<'_>, context: &Context<'_>, table: &str) -> Vec<BTreeSet<String>> {
    let mut found = Vec::new();
    for other in &context.families {
        let is_same = other.usage.family == known.usage.family;
        let Some(block) = other.shape.blocks.first().filter(|_| other.shape.verb == Verb::Select && !is_same) else {
            continue;
        };
        for relation in block.relations.iter().filter(|relation| relation.table.as_deref() == Some(table)) {
            if !relation.is_whole && !block.is_aggregate {
                found.push(relation.columns.clone());
            }
        }
    }
    found
}
