//! A list without LIMIT that returns many rows.

use crate::{
    advise::database::query::{
        finding::{Action, Finding, Pattern},
        known::{Context, Known},
        tree::{parameters_in, plain},
    },
    database::shape::{Test, Verb},
};

/// Least mean number of rows of one execution.
const ROWS_MIN: f64 = 1_000.0;
/// Least number of executions: an export that runs once needs all rows.
const CALLS_MIN: f64 = 10.0;

/// Finds lists without LIMIT.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let block = known.shape.blocks.first()?;
    let is_list =
        known.shape.verb == Verb::Select && !block.is_aggregate && !block.is_grouped && !select.from.is_empty();
    let is_bounded = query.limit_clause.is_some() || query.fetch.is_some();
    // A list of keys bounds the rows, as in eager loading.
    let has_keys = block.filters.iter().any(|filter| matches!(filter.test, Test::In(_)));
    let is_large = known.rows() >= ROWS_MIN && known.usage.calls >= CALLS_MIN;
    if !is_list || is_bounded || has_keys || !is_large || !context.matters(known.usage) {
        return None;
    }
    let next = parameters_in(query).last().copied().filter(|_| !parameters_in(query).contains(&0)).unwrap_or(0) + 1;
    let is_ordered = query.order_by.is_some();
    let statement = is_ordered.then(|| format!("{query} LIMIT ${next}"));
    let what = if is_ordered {
        "Read one page at a time with LIMIT, and the next page after the last row of the page before."
    } else {
        "Read the rows in an order and one page at a time with LIMIT."
    };
    let growth = block
        .relations
        .iter()
        .filter_map(|relation| {
            let key = relation.table.as_deref()?;
            let activity = context.catalogue.tables.iter().find(|table| table.key() == key)?.activity?;
            (activity.inserted > activity.deleted).then(|| format!("{key} has more rows inserted than deleted"))
        })
        .next();
    let share = 1.0 - (100.0 / known.rows()).min(1.0);
    let saving = context.saving(
        known.usage,
        [0.0, share * 0.5, share],
        "pages of 100 rows; nothing is saved where every page is read",
    );
    let rows = format!("One execution returns {:.0} rows.", known.rows());
    let action = Action::Change { what: what.to_owned(), statement };
    let finding = context.finding(known, Pattern::MissingLimit, action, saving).noting(rows);
    let finding = finding.noting("Whether the application uses all rows is not known from the statements.");
    Some(match growth {
        Some(growth) => finding.noting(format!("The rows grow: {growth}.")),
        None => finding,
    })
}
