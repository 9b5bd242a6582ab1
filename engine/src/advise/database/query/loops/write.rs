//! UPDATE and DELETE of a loop: one statement over an array of keys.

use std::collections::BTreeMap;

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Statement, TableFactor, TableWithJoins, Update,
};

use crate::{
    advise::database::query::{
        finding::{Check, Equality, Parameter, Rewrite},
        known::Context,
        tree::{
            Refusal, finish, ident, is_constant, name_of, parameters_in, pure, refuse, strip, taken, unique_keys,
            value_type,
        },
    },
    database::{Table, TableKind},
};

/// Rewrites the write of a loop.
pub(super) fn rewrite(tree: &Statement, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    match tree {
        Statement::Update(update) => changed(update, context),
        Statement::Delete(delete) => deleted(delete, context),
        _ => refuse("it is neither a read nor a write of rows"),
    }
}

/// Returns the table and the name that stands for it.
fn target<'a>(table: &TableWithJoins, context: &Context<'a>) -> Result<(String, &'a Table, String), Refusal> {
    let TableFactor::Table { name, alias: None, args: None, sample: None, .. } = &table.relation else {
        return refuse("its table has an alias");
    };
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(name_of).collect();
    let (schema, named) = match parts.as_slice() {
        [table] => (None, table),
        [schema, table] => (Some(schema.as_str()), table),
        _ => return refuse("its table has more than two names"),
    };
    match context.catalogue.table(schema, named) {
        Some(_) if named == "changed" => refuse("its table has a name of the rewritten statement"),
        Some(found) if table.joins.is_empty() && found.kind == TableKind::Table => {
            Ok((name.to_string(), found, named.clone()))
        }
        Some(_) => refuse("its relation is no ordinary table"),
        None => refuse(format!("the relation {name} is not in the catalogue")),
    }
}

/// Returns the unique column and the placeholder of `column = $n`.
fn key<'a>(condition: Option<&Expr>, table: &'a Table, named: &str) -> Result<(&'a str, usize), Refusal> {
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = condition.map(strip) else {
        return refuse("its condition is not one equality of a unique column with a placeholder");
    };
    let name = match strip(left) {
        Expr::Identifier(name) => name_of(name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] if name_of(table) == named => name_of(name),
            _ => return refuse("its condition compares no column"),
        },
        _ => return refuse("its condition compares no column"),
    };
    let is_unique = unique_keys(table).iter().any(|key| *key == [name.clone()]);
    match table.column(&name) {
        Some(column) if is_unique => match taken(right, &column.type_name) {
            Some(number) => Ok((column.name.as_str(), number)),
            None => refuse("its condition compares with no placeholder of its own type"),
        },
        _ => refuse(format!("{name} does not identify a row, so that the order of the writes may matter")),
    }
}

fn changed(update: &Update, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    if update.from.is_some() || update.returning.is_some() || update.limit.is_some() || !update.order_by.is_empty() {
        return refuse("it has FROM or RETURNING");
    }
    pure(update)?;
    let (printed, table, named) = target(&update.table, context)?;
    let (key, number) = key(update.selection.as_ref(), table, &named)?;
    let array = |number: usize, column: &str| -> Result<String, Refusal> {
        let known = table.column(column).and_then(|column| value_type(&column.type_name));
        match known {
            Some(type_name) => Ok(format!("${number}::{type_name}[]")),
            None => refuse(format!("the type of {column} is not known")),
        }
    };
    let mut arrays = vec![array(number, key)?];
    let mut columns = vec!["key".to_owned()];
    let mut sets = Vec::new();
    let mut numbers = vec![number];
    for assignment in &update.assignments {
        let AssignmentTarget::ColumnName(target) = &assignment.target else {
            return refuse("it sets several columns from one row");
        };
        let name = target.0.last().and_then(|part| part.as_ident()).map(name_of).unwrap_or_default();
        if name == key {
            return refuse("it changes its own key");
        }
        let type_name = table.column(&name).map_or("", |column| column.type_name.as_str());
        match taken(&assignment.value, type_name) {
            Some(value) if numbers.contains(&value) => {
                return refuse("one placeholder is the value of two columns, or the key as well");
            }
            Some(value) => {
                numbers.push(value);
                arrays.push(array(value, &name)?);
                let column = format!("value_{}", columns.len());
                sets.push(format!("{} = changed.{column}", ident(&name)));
                columns.push(column);
            }
            None if parameters_in(&assignment.value).is_empty() && is_constant(&assignment.value) => {
                sets.push(format!("{} = {}", ident(&name), assignment.value));
            }
            None => {
                return refuse(format!("the value of {name} is computed from the row or from part of a placeholder"));
            }
        }
    }
    let text = format!(
        "UPDATE {printed} SET {} FROM unnest({}) AS changed({}) WHERE {}.{} = changed.key",
        sets.join(", "),
        arrays.join(", "),
        columns.join(", "),
        ident(&named),
        ident(key),
    );
    written(&text, &numbers, &format!("each value of {key} is in the array once"))
}

fn deleted(delete: &Delete, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    let others = delete.using.is_some() || delete.returning.is_some() || delete.limit.is_some();
    if others || !delete.tables.is_empty() || !delete.order_by.is_empty() {
        return refuse("it has USING or RETURNING");
    }
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
    let [only] = tables.as_slice() else { return refuse("it names several tables") };
    let (printed, table, named) = target(only, context)?;
    let (key, number) = key(delete.selection.as_ref(), table, &named)?;
    let text = format!("DELETE FROM {printed} WHERE {} = ANY(${number})", ident(key));
    written(&text, &[number], "no trigger or foreign key depends on the order of the rows")
}

fn written(text: &str, numbers: &[usize], condition: &str) -> Result<Rewrite, Refusal> {
    let roles: BTreeMap<usize, Parameter> = numbers.iter().map(|number| (*number, Parameter::Array(*number))).collect();
    let (statement, parameters) = finish(text, &roles)?;
    let equality = Equality::When(format!(
        "{condition}; all rows are written or none, statement triggers run once, and now() is one time for all"
    ));
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Written, added: Vec::new() })
}
