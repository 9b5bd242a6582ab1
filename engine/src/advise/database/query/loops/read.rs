//! The SELECT of a loop: `x = $1` becomes `x = ANY($1)`, or a LATERAL join where each call has its own LIMIT or aggregate.

use std::{collections::BTreeMap, fmt::Display};

use sqlparser::ast::{BinaryOperator, DataType, Expr, GroupByExpr, Query, Select};

use crate::advise::database::query::{
    finding::{Check, Equality, Parameter, Rewrite},
    known::Context,
    tree::{
        Output, Refusal, Scope, conjuncts, finish, has_aggregate, ident, joined, name_of, output_names, parameter,
        parameters_in, plain, pure, refuse, strip, text_of_type, wrapped,
    },
};

/// A condition `column = $n` of the loop.
struct Varying<'a> {
    condition: &'a Expr,
    column: &'a Expr,
    name: String,
    number: usize,
    /// Type of the array's elements, for a cast.
    type_name: String,
    /// Whether the statement casts the placeholder.
    is_cast: bool,
    /// Place of the column: table and its column.
    table: usize,
}

/// Rewrites the read of a loop.
pub(super) fn rewrite(query: &Query, context: &Context<'_>) -> Result<Rewrite, Refusal> {
    let select = plain(query)?;
    pure(query)?;
    let scope = Scope::of(select, context.catalogue)?;
    if scope.tables.is_empty() {
        return refuse("it reads no table");
    }
    let all = parameters_in(query);
    let varying = varying(query, select, &scope)?;
    let constant: Vec<String> = all
        .iter()
        .filter(|number| varying.iter().all(|varying| varying.number != **number))
        .map(|number| format!("${number}"))
        .collect();
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let is_each = query.limit_clause.is_some()
        || query.fetch.is_some()
        || select.distinct.is_some()
        || select.having.is_some()
        || is_grouped
        || has_aggregate(&select.projection);
    let mut condition = "the rows are read at one time, and not between the changes that a loop may make".to_owned();
    if !constant.is_empty() {
        condition.push_str(&format!("; {} has one value in all calls of the loop", constant.join(", ")));
    }
    match varying.as_slice() {
        [only] if !is_each => simple(query, select, &scope, only, condition),
        several => lateral(query, select, &scope, several, condition),
    }
}

/// Returns the conditions of the loop's own values: equalities of a column and a placeholder that occurs once.
fn varying<'a>(query: &Query, select: &'a Select, scope: &Scope<'_>) -> Result<Vec<Varying<'a>>, Refusal> {
    let mut found = Vec::new();
    for condition in conjuncts(select.selection.as_ref()) {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = strip(condition) else { continue };
        for (column, value) in [(left, right), (right, left)] {
            let (number, cast) = match strip(value) {
                Expr::Cast { expr, data_type, .. } => (parameter(expr), Some(data_type)),
                other => (parameter(other), None),
            };
            let (Some(number), Some((table, known))) = (number, scope.column(column)) else { continue };
            let Some(own) = text_of_type(&known.type_name) else {
                return refuse(format!("the equality of type {} is not known", known.type_name));
            };
            let type_name = match cast {
                Some(data_type) if is_whole_type(data_type) => data_type.to_string(),
                Some(data_type) => return refuse(format!("the cast to {data_type} may change its values")),
                None => own,
            };
            let times = query.to_string().matches(&format!("${number}")).count();
            let longer = query.to_string().matches(&format!("${number}0")).count();
            if times != 1 || longer > 0 {
                continue;
            }
            let name = known.name.clone();
            found.push(Varying { condition, column, name, number, type_name, is_cast: cast.is_some(), table });
            break;
        }
    }
    if found.is_empty() {
        return refuse("it has no condition `column = $n` whose placeholder occurs once");
    }
    Ok(found)
}

/// Types without a modifier.
fn is_whole_type(data_type: &DataType) -> bool {
    let text = data_type.to_string().to_lowercase();
    text != "varchar"
        && text != "character varying"
        && !text.contains('(')
        && text_of_type(&text.replace("int8", "bigint")).is_some()
        || matches!(
            text.as_str(),
            "int"
                | "int4"
                | "int8"
                | "int2"
                | "varchar"
                | "character varying"
                | "timestamptz"
                | "timestamp"
                | "bool"
                | "float8"
                | "timestamp with time zone"
                | "timestamp without time zone"
        )
}

/// `x = $1` becomes `x = ANY($1)`, and x is in the result.
fn simple(
    query: &Query,
    select: &Select,
    scope: &Scope<'_>,
    varying: &Varying<'_>,
    condition: String,
) -> Result<Rewrite, Refusal> {
    let (mut projection, added) = (list(&select.projection), added(select, scope, varying)?);
    for name in &added {
        projection.push_str(&format!(", {}", varying.column));
        if *name != varying.name {
            projection.push_str(&format!(" AS {}", ident(name)));
        }
    }
    let cast = if varying.is_cast { format!("::{}[]", varying.type_name) } else { String::new() };
    let conditions: Vec<String> = conjuncts(select.selection.as_ref())
        .into_iter()
        .map(|condition| {
            if std::ptr::eq(condition, varying.condition) {
                format!("{} = ANY(${}{cast})", varying.column, varying.number)
            } else {
                wrapped(condition)
            }
        })
        .collect();
    let order = query.order_by.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
    let text = format!("SELECT {projection} FROM {}{}{order}", list(&select.from), joined(&conditions));
    let roles = BTreeMap::from([(varying.number, Parameter::Array(varying.number))]);
    let (statement, parameters) = finish(&text, &roles)?;
    let equality = Equality::When(format!(
        "{condition}; rows are assigned to the values of the loop by {}, and a value that is in the array twice has its rows once",
        varying.name
    ));
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Loop, added })
}

/// Returns the name under which the key is added to the result; none if it is there already.
fn added(select: &Select, scope: &Scope<'_>, varying: &Varying<'_>) -> Result<Vec<String>, Refusal> {
    let Some(names) = output_names(select, scope) else {
        return refuse("the names of its output columns are not certain");
    };
    let is_there = names
        .iter()
        .any(|(_, column)| column.is_some_and(|(at, column)| at == varying.table && column.name == varying.name));
    if is_there {
        return Ok(Vec::new());
    }
    let is_free = |name: &str| names.iter().all(|(known, _)| known != name);
    let name = if is_free(&varying.name) { varying.name.clone() } else { format!("loop_{}", varying.name) };
    if is_free(&name) { Ok(vec![name]) } else { refuse("the name of its key is in the result twice") }
}

/// Each value of the loop is joined with the statement as it is, so that LIMIT, ORDER BY and aggregates apply to each.
fn lateral(
    query: &Query,
    select: &Select,
    scope: &Scope<'_>,
    varying: &[Varying<'_>],
    condition: String,
) -> Result<Rewrite, Refusal> {
    let Some(names) = output_names(select, scope) else {
        return refuse("the names of its output columns are not certain");
    };
    for (at, (name, _)) in names.iter().enumerate() {
        if name == "?column?" || names.iter().skip(at + 1).any(|(other, _)| other == name) {
            return refuse("two of its output columns have one name, or one has none");
        }
    }
    let text = query.to_string();
    let taken = |name: &str| text.to_lowercase().contains(name);
    if taken("loop_key") || taken("loop_row") || taken("loop_place") {
        return refuse("it has a name of the rewritten statement");
    }
    let inside = substituted(query, varying)?;
    let arrays: Vec<String> =
        varying.iter().map(|varying| format!("${}::{}[]", varying.number, varying.type_name)).collect();
    let keys: Vec<String> = (1..=varying.len()).map(|nth| format!("value_{nth}")).collect();
    // The order of a call is kept where all its keys are in the result.
    let order = outer_order(query, &names, scope);
    let outer = match &order {
        Some(keys) if keys.is_empty() => " ORDER BY loop_key.loop_place".to_owned(),
        Some(keys) => format!(" ORDER BY loop_key.loop_place, {}", keys.join(", ")),
        None => " ORDER BY loop_key.loop_place".to_owned(),
    };
    let outputs: Vec<String> = names.iter().map(|(name, _)| format!("loop_row.{}", ident(name))).collect();
    let text = format!(
        "SELECT {}, loop_key.loop_place FROM unnest({}) WITH ORDINALITY AS loop_key({}, loop_place) CROSS JOIN LATERAL ({inside}) \
         AS loop_row{outer}",
        outputs.join(", "),
        arrays.join(", "),
        keys.join(", "),
    );
    let roles = varying.iter().map(|varying| (varying.number, Parameter::Array(varying.number))).collect();
    let (statement, parameters) = finish(&text, &roles)?;
    let mut condition = format!("{condition}; rows are assigned by loop_place, the place of the value in the array");
    if order.is_none() {
        condition
            .push_str("; the rows of one value come in no certain order, since a key of ORDER BY is not in the result");
    }
    let added = vec!["loop_place".to_owned()];
    Ok(Rewrite { statement, parameters, first: None, equality: Equality::When(condition), check: Check::Loop, added })
}

/// Returns the query with the loop's placeholders replaced by the columns of the array.
fn substituted(query: &Query, varying: &[Varying<'_>]) -> Result<String, Refusal> {
    let mut text = query.to_string();
    for (nth, varying) in varying.iter().enumerate() {
        let old = varying.condition.to_string();
        if text.matches(&old).count() != 1 {
            return refuse("a condition of the loop occurs twice");
        }
        text = text.replacen(&old, &format!("{} = loop_key.value_{}", varying.column, nth + 1), 1);
    }
    Ok(text)
}

/// Returns the order of one call on its output columns; none if a key is not one of them.
fn outer_order(query: &Query, names: &[Output<'_>], scope: &Scope<'_>) -> Option<Vec<String>> {
    let Some(order) = &query.order_by else { return Some(Vec::new()) };
    let sqlparser::ast::OrderByKind::Expressions(keys) = &order.kind else { return None };
    keys.iter()
        .map(|key| {
            let output = match strip(&key.expr) {
                Expr::Identifier(name) => {
                    let name = name_of(name);
                    names.iter().find(|(known, _)| *known == name)
                }
                _ => None,
            };
            let found = output.or_else(|| {
                let (at, column) = scope.column(&key.expr)?;
                names.iter().find(|(_, known)| known.is_some_and(|(a, c)| a == at && c.name == column.name))
            });
            Some(format!("loop_row.{}{}", ident(&found?.0), key.options))
        })
        .collect()
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
