//! Wide columns in the rows of a list, which ORMs load with every entity.

use std::collections::BTreeSet;

use sqlparser::ast::SelectItem;

use super::{
    finding::{Action, Finding, Pattern},
    known::{Context, Known},
    tree::{Scope, ident, output_names, plain, unique_keys},
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

/// Finds lists that return all columns of a table, some of them wide.
///
/// The cost is in reading, sending and decoding the values, so that the least time of other patterns does not apply.
pub(super) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let select = plain(known.query()?).ok()?;
    let scope = Scope::of(select, context.catalogue).ok()?;
    let only = scope.only().ok()?;
    let names = output_names(select, &scope)?;
    let columns: Vec<&Column> = names.iter().filter_map(|(_, column)| column.map(|(_, column)| column)).collect();
    let distinct: BTreeSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let is_entity = distinct.len() == only.table.columns.len() && columns.len() == names.len();
    if !is_entity || known.rows() < ROWS_MIN || known.usage.calls < CALLS_MIN {
        return None;
    }
    let width =
        |column: &Column| column.statistics.as_ref().map_or(0.0, |known| known.width * (1.0 - known.null_fraction));
    // The list keeps what its conditions compare, and the key that identifies its rows.
    let mut kept = compared(known);
    kept.extend(unique_keys(only.table).into_iter().next().unwrap_or_default());
    let wide: Vec<&&Column> =
        columns.iter().filter(|column| width(column) >= WIDE_MIN && !kept.contains(&column.name)).collect();
    let total: f64 = columns.iter().map(|column| width(column)).sum();
    let spared: f64 = wide.iter().map(|column| width(column)).sum();
    let is_rare = context.a_day(spared * known.usage.rows).is_some_and(|bytes| bytes < BYTES_A_DAY_MIN);
    if wide.is_empty() || spared < SHARE_MIN * total || spared * known.rows() < BYTES_MIN || is_rare {
        return None;
    }
    let others = others(known, context, &only.table.key());
    // Without another list to compare with, nothing shows that the columns can be left out.
    if others.is_empty() {
        return None;
    }
    let without = others.iter().filter(|columns| wide.iter().all(|column| !columns.contains(&column.name))).count();
    if without == 0 {
        return None;
    }
    let items: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    let is_star = select
        .projection
        .iter()
        .any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
    let is_wide = |name: &str| wide.iter().any(|column| column.name == name);
    let narrow: Vec<String> = if is_star {
        columns.iter().filter(|column| !is_wide(&column.name)).map(|column| ident(&column.name)).collect()
    } else {
        items.iter().zip(&columns).filter(|(_, column)| !is_wide(&column.name)).map(|(item, _)| item.clone()).collect()
    };
    if narrow.is_empty() {
        return None;
    }
    let text = known.query()?.to_string();
    let old = format!("SELECT {}", items.join(", "));
    let statement = text.starts_with(&old).then(|| text.replacen(&old, &format!("SELECT {}", narrow.join(", ")), 1));
    let list: Vec<&str> = wide.iter().map(|column| column.name.as_str()).collect();
    let what = format!("Read the columns that the list shows; leave out {} unless it shows them.", list.join(", "));
    let share = spared / total;
    let rests_on = "the share of the row's width that is left out; time to find the rows stays";
    let saving = context.saving(known.usage, [0.0, 0.2 * share, 0.7 * share], rests_on);
    let finding = context.finding(known, Pattern::SelectStar, Action::Change { what, statement }, saving);
    let finding = finding.noting(format!(
        "{} take {spared:.0} of {total:.0} bytes of a row, {:.0} KiB in one execution of {:.0} rows; {without} of {} other statements \
         on the table read none of them.",
        list.join(", "),
        spared * known.rows() / 1024.0,
        known.rows(),
        others.len(),
    ));
    Some(finding.noting("Which columns the application uses is not known from the statements."))
}

/// Returns the columns that the statement's conditions compare or order.
fn compared(known: &Known<'_>) -> BTreeSet<String> {
    let Some(block) = known.shape.blocks.first() else { return BTreeSet::new() };
    let filters = block.filters.iter().filter_map(|filter| filter.key.column());
    let order = block.order.iter().filter_map(|key| key.key.column());
    filters.chain(order).map(str::to_owned).collect()
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
