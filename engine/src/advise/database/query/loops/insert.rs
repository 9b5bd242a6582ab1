//! INSERT of one row, many times: one statement over arrays.

use std::collections::BTreeMap;

use sqlparser::ast::{Insert, SetExpr, Statement, TableObject};

use crate::advise::database::query::{
    finding::{Action, Check, Equality, Finding, Parameter, Pattern, Rewrite},
    known::{Context, Known},
    tree::{Refusal, finish, ident, is_constant, name_of, parameters_in, pure, refuse, taken, value_type},
};

/// Least executions a second. Fewer inserts may each belong to a request of its own.
const CALLS_A_SECOND_MIN: f64 = 20.0;
/// Least executions.
const CALLS_MIN: f64 = 1_000.0;

/// Finds inserts of one row that run many times a second, where no trace shows their loop.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let Statement::Insert(insert) = &known.tree else { return None };
    let usage = known.usage;
    let often = context.seconds.is_some_and(|seconds| usage.calls / seconds >= CALLS_A_SECOND_MIN);
    let is_single = (0.95..=1.0).contains(&known.rows());
    let is_row = matches!(insert.source.as_deref().map(|query| &*query.body), Some(SetExpr::Values(values)) if values.rows.len() == 1);
    if !often || !is_single || !is_row || usage.calls < CALLS_MIN {
        return None;
    }
    let finding = match rewrite(insert, context) {
        Err(refusal) => context.kept(known, Pattern::RowByRowInsert, refusal),
        Ok(rewrite) => {
            let rests_on = "rows of one statement share its parsing, its round trip and its commit";
            let saving = context.saving(usage, [0.1, 0.5, 0.9], rests_on);
            context.finding(known, Pattern::RowByRowInsert, Action::Rewrite(rewrite), saving)
        }
    };
    Some(finding.noting("Whether the rows belong to one loop is not known without traces; rows of different requests may not be joined."))
}

/// Rewrites `INSERT … VALUES ($1, $2)` to `INSERT … SELECT … FROM unnest($1, $2)`.
pub(super) fn rewrite(insert: &Insert, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    let TableObject::TableName(name) = &insert.table else { return refuse("its table is not named") };
    let has_others = insert.or.is_some()
        || insert.ignore
        || insert.on.is_some()
        || insert.returning.is_some()
        || insert.table_alias.is_some()
        || insert.overwrite
        || insert.partitioned.is_some()
        || !insert.assignments.is_empty();
    if has_others {
        return refuse("it has ON CONFLICT or RETURNING, whose rows the application assigns one by one");
    }
    let Some(source) = &insert.source else { return refuse("it inserts default values") };
    let SetExpr::Values(values) = &*source.body else { return refuse("it inserts the rows of a query") };
    let [row] = values.rows.as_slice() else { return refuse("it inserts several rows already") };
    pure(source)?;
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(name_of).collect();
    let found = match parts.as_slice() {
        [table] => context.catalogue.table(None, table),
        [schema, table] => context.catalogue.table(Some(schema), table),
        _ => None,
    };
    let Some(table) = found else { return refuse(format!("the relation {name} is not in the catalogue")) };
    let columns: Vec<String> = insert
        .columns
        .iter()
        .map(|column| column.0.last().and_then(|part| part.as_ident()).map(name_of).unwrap_or_default())
        .collect();
    if columns.len() != row.content.len() {
        return refuse("it does not name its columns");
    }
    let (mut arrays, mut outputs, mut known): (Vec<String>, Vec<String>, Vec<usize>) = Default::default();
    for (column, value) in columns.iter().zip(&row.content) {
        let place = |known: &[usize], number: usize| known.iter().position(|have| *have == number);
        let type_name = table.column(column).map_or("", |column| column.type_name.as_str());
        match taken(value, type_name) {
            Some(number) => {
                let Some(type_name) = value_type(type_name) else {
                    return refuse(format!("the type of {column} is not known"));
                };
                if place(&known, number).is_none() {
                    known.push(number);
                    arrays.push(format!("${number}::{type_name}[]"));
                }
                let at = place(&known, number).unwrap_or_default();
                outputs.push(format!("added.value_{}", at + 1));
            }
            // A subquery would be read once for all rows, and not for each after the row before.
            None if parameters_in(value).is_empty() && is_constant(value) => outputs.push(value.to_string()),
            None => {
                return refuse(format!(
                    "the value of {column} is computed from a placeholder or a query, or is its default"
                ));
            }
        }
    }
    if known.is_empty() {
        return refuse("its rows have no values of their own");
    }
    let names: Vec<String> = (1..=known.len()).map(|nth| format!("value_{nth}")).collect();
    let printed: Vec<String> = columns.iter().map(|column| ident(column)).collect();
    let text = format!(
        "INSERT INTO {name} ({}) SELECT {} FROM unnest({}) AS added({})",
        printed.join(", "),
        outputs.join(", "),
        arrays.join(", "),
        names.join(", "),
    );
    let roles = known.iter().map(|number| (*number, Parameter::Array(*number))).collect::<BTreeMap<_, _>>();
    let (statement, parameters) = finish(&text, &roles)?;
    let condition = "all rows are inserted or none, statement triggers run once, now() is one time for all, and keys that \
                     the table makes may come in another order";
    Ok(Rewrite {
        statement,
        parameters,
        first: None,
        equality: Equality::When(condition.to_owned()),
        check: Check::Written,
        added: Vec::new(),
    })
}
