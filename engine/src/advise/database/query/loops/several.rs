//! Loops that traces show, each with the one statement that replaces its calls.

use sqlparser::ast::Statement;

use super::{insert, read, write};
use crate::advise::database::query::{
    finding::{Action, Finding, IndexNeed, Loop, Need, Pattern},
    known::{Context, Known},
};

/// Least calls of a loop in one request.
const CALLS_MIN: f64 = 5.0;

/// Finds the statement of one loop in the workload and rewrites it.
pub(crate) fn find(seen: &Loop, context: &Context<'_>) -> Option<Finding> {
    if seen.calls.is_nan() || seen.calls < CALLS_MIN {
        return None;
    }
    let known = context.families.iter().find(|known| known.usage.family == seen.family)?;
    let (pattern, result) = match &known.tree {
        Statement::Query(query) if known.shape.blocks.iter().any(|block| !block.relations.is_empty()) => {
            (Pattern::NPlusOne, read::rewrite(query, context))
        }
        Statement::Insert(insert) => (Pattern::RowByRowInsert, insert::rewrite(insert, context)),
        tree @ (Statement::Update(_) | Statement::Delete(_)) => (Pattern::NPlusOne, write::rewrite(tree, context)),
        // Transaction control and settings are no loop over rows.
        _ => return None,
    };
    let finding = match result {
        Err(refusal) => context.kept(known, pattern, refusal),
        Ok(rewrite) => {
            let most = 1.0 - 1.0 / seen.calls;
            let saving = context.saving(
                known.usage,
                [0.2 * most, 0.6 * most, most],
                "calls of a loop become one; its rows are still read, and round trips are saved besides",
            );
            let index = index_need(known, context);
            context.finding(known, pattern, Action::Rewrite(rewrite), saving).needing(index.map(Need::Index))
        }
    };
    let mut finding = finding.noting(format!("One request has {:.0} calls of it ({}).", seen.calls, seen.form));
    if let Some(ms) = seen.loop_ms {
        finding = finding.noting(format!("They take {ms:.1} ms of the request."));
    }
    finding.route.clone_from(&seen.route);
    finding.calls_of_a_loop = Some(seen.calls);
    Some(finding)
}

/// Returns an index on the column that the loop compares, where the table has none that begins with it.
fn index_need(known: &Known<'_>, context: &Context<'_>) -> Option<IndexNeed> {
    use crate::database::shape::{Key, Operand, Test};
    let block = known.shape.blocks.first()?;
    let mut columns = block.filters.iter().filter_map(|filter| match (&filter.key, &filter.test) {
        (Key::Column(name), Test::Equal(Operand::Parameter(_))) => Some((filter.relation, name)),
        _ => None,
    });
    let (relation, name) = columns.next()?;
    let key = block.relations.get(relation)?.table.as_deref()?;
    let table = context.catalogue.tables.iter().find(|table| table.key() == key)?;
    let begins = |index: &crate::database::Index| {
        index.valid
            && index.predicate.is_none()
            && index.keys.first().is_some_and(|key| key.column.as_ref() == Some(name))
    };
    let others: Vec<&String> = columns.filter(|(at, _)| *at == relation).map(|(_, name)| name).collect();
    let is_served = table.indexes.iter().any(|index| {
        begins(index)
            || index.keys.first().is_some_and(|key| others.iter().any(|other| key.column.as_ref() == Some(*other)))
    });
    (!is_served).then(|| IndexNeed {
        table: table.key(),
        method: "btree".to_owned(),
        keys: vec![crate::database::statement::quote(name)],
    })
}
