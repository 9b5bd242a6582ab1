//! A cast or a date function around a column, which hides the column from its index.

use std::collections::BTreeMap;

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query,
};

use crate::{
    advise::database::query::{
        finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
        known::{Context, Known},
        tree::{Refusal, Scope, conjuncts, finish, parameter, plain, pure, refuse, strip},
    },
    database::{Column, Table},
};

/// A condition that compares a changed column with a value.
struct Changed<'a> {
    condition: &'a Expr,
    column: &'a Expr,
    known: &'a Column,
    table: &'a Table,
    by: By,
    value: &'a Expr,
}

/// What changes the column, or makes PostgreSQL change it.
enum By {
    /// A cast of the column to text.
    Text,
    /// A cast of the column to a number.
    Number(String),
    /// A cast of the column to a date, or `date(column)`.
    Date,
    /// The value has a wider number type, to which the column is converted.
    Wider(String),
    /// Another function.
    Function(String),
}

/// Finds conditions on changed columns.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let scope = Scope::of(select, context.catalogue).ok()?;
    let changed = conjuncts(select.selection.as_ref()).into_iter().find_map(|condition| changed(condition, &scope))?;
    if !context.matters(known.usage) || has_expression_index(&changed) {
        return None;
    }
    Some(match rewrite(query, &changed) {
        Err(refusal) => context.kept(known, Pattern::ImplicitCast, refusal),
        Ok(rewrite) => {
            let rests_on = "an index on the column is used; where there is none, it is recommended separately";
            let saving = context.saving(known.usage, [0.2, 0.8, 0.99], rests_on);
            context.finding(known, Pattern::ImplicitCast, Action::Rewrite(rewrite), saving)
        }
    })
}

fn changed<'a>(condition: &'a Expr, scope: &Scope<'a>) -> Option<Changed<'a>> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = strip(condition) else { return None };
    for (side, value) in [(left, right), (right, left)] {
        let number = match strip(value) {
            Expr::Cast { expr, .. } => parameter(expr),
            other => parameter(other),
        };
        if number.is_none() {
            continue;
        }
        let (column, by) = match strip(side) {
            Expr::Cast { expr, data_type, .. } => (&**expr, cast_to(data_type)?),
            Expr::Function(function) => (argument(function)?, function_by(function)),
            other => (other, wider(value)?),
        };
        let (at, known) = scope.column(column)?;
        let table = scope.tables.get(at)?.table;
        if matches!(by, By::Text) && is_text(known) || matches!(by, By::Wider(_)) && !is_whole(known) {
            return None;
        }
        // Functions are reported where an index on the column exists, which they hide.
        let is_indexed = table
            .indexes
            .iter()
            .any(|index| index.keys.first().is_some_and(|key| key.column.as_ref() == Some(&known.name)));
        if matches!(by, By::Function(_)) && !is_indexed {
            return None;
        }
        return Some(Changed { condition, column, known, table, by, value });
    }
    None
}

fn cast_to(data_type: &DataType) -> Option<By> {
    let text = data_type.to_string().to_lowercase();
    match text.as_str() {
        "text" | "varchar" | "character varying" => Some(By::Text),
        "int" | "integer" | "int4" | "bigint" | "int8" | "smallint" | "int2" => Some(By::Number(text)),
        "date" => Some(By::Date),
        _ => None,
    }
}

fn wider(value: &Expr) -> Option<By> {
    let Expr::Cast { data_type, .. } = strip(value) else { return None };
    let text = data_type.to_string().to_lowercase();
    ["numeric", "decimal", "double precision", "float8", "real"].contains(&text.as_str()).then_some(By::Wider(text))
}

fn argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

fn function_by(function: &Function) -> By {
    let name = function.name.to_string().to_lowercase();
    if name == "date" { By::Date } else { By::Function(name) }
}

/// Returns whether PostgreSQL accepts the function in an index: its value depends on no setting, such as the time zone.
fn is_indexable(function: &str, type_name: &str) -> bool {
    const TEXT: [&str; 6] = ["lower", "upper", "btrim", "ltrim", "rtrim", "md5"];
    const NUMBER: [&str; 5] = ["abs", "ceil", "floor", "round", "trunc"];
    TEXT.contains(&function)
        || NUMBER.contains(&function)
        || ["date_trunc", "date_part"].contains(&function) && type_name == "timestamp without time zone"
}

fn is_text(column: &Column) -> bool {
    column.type_name == "text" || column.type_name.starts_with("character")
}

fn is_whole(column: &Column) -> bool {
    ["smallint", "integer", "bigint"].contains(&column.type_name.as_str())
}

/// Returns whether an index on an expression over the column exists, which may serve the condition as it is.
fn has_expression_index(changed: &Changed<'_>) -> bool {
    changed.table.indexes.iter().any(|index| {
        index.keys.iter().any(|key| key.expression.as_ref().is_some_and(|text| text.contains(&changed.known.name)))
    })
}

fn rewrite(query: &Query, changed: &Changed<'_>) -> Result<Rewrite, Refusal> {
    pure(query)?;
    let (column, name) = (changed.column, &changed.known.name);
    let type_name = changed.known.type_name.as_str();
    let bare = match strip(changed.value) {
        Expr::Cast { expr, .. } => strip(expr),
        other => other,
    };
    // Another cast of the value decides how it is compared.
    if let Expr::Cast { data_type, .. } = strip(changed.value) {
        let text = data_type.to_string().to_lowercase();
        let is_same = match &changed.by {
            By::Text => ["text", "varchar", "character varying"].contains(&text.as_str()),
            By::Number(target) => text == *target,
            By::Date => text == "date",
            By::Wider(wide) => text == *wide,
            By::Function(_) => true,
        };
        if !is_same {
            return refuse(format!("its value is cast to {data_type}"));
        }
    }
    let (condition, equality) = match &changed.by {
        By::Text if is_whole(changed.known) || type_name == "uuid" => (
            format!("{column} = {bare}::{type_name}"),
            Equality::When(format!(
                "the value is written as PostgreSQL prints {name} ({}); another writing finds rows afterwards, and one that is no \
                 {type_name} raises an error",
                if type_name == "uuid" { "lower case with hyphens" } else { "no leading zeros, plus sign or spaces" }
            )),
        ),
        By::Text => {
            return refuse(format!(
                "what {type_name} prints depends on settings, so that no value is certain to be equal"
            ));
        }
        By::Number(target) if is_text(changed.known) && !type_name.starts_with("character(") => (
            format!("{column} = ({bare}::{target})::text"),
            Equality::When(format!(
                "every value of {name} is written without leading zeros, plus sign or spaces; others are found only today, and \
                 one that is no number raises an error today"
            )),
        ),
        By::Number(target) => return refuse(format!("the cast of {type_name} to {target} may round or fail")),
        By::Wider(wide) => (
            format!("{column} = {bare}::{type_name}"),
            Equality::When(format!(
                "the value is whole and in the range of {type_name}; {wide} with a fraction finds no row today"
            )),
        ),
        By::Date => {
            let value = format!("{bare}::date");
            let range = format!("{column} >= {value} AND {column} < {value} + 1");
            let equality = match type_name {
                "timestamp without time zone" => Equality::When("the date is finite".to_owned()),
                "timestamp with time zone" => Equality::When(
                    "the date is finite, and no clock change of the session's time zone repeats midnight on it"
                        .to_owned(),
                ),
                other => return refuse(format!("a cast of {other} to a date is not understood")),
            };
            (range, equality)
        }
        By::Function(function) => {
            let index = if is_indexable(function, type_name) {
                "an index on the expression serves it"
            } else {
                "whether an index can have the expression is not known, since it needs one that depends on no setting"
            };
            return refuse(format!(
                "{function}({name}) has no rewritten form with the same rows that is known; {index}"
            ));
        }
    };
    let (text, old) = (query.to_string(), changed.condition.to_string());
    if text.matches(&old).count() != 1 {
        return refuse("the condition occurs twice");
    }
    let (statement, parameters) = finish(&text.replacen(&old, &condition, 1), &BTreeMap::new())?;
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Multiset, added: Vec::new() })
}
