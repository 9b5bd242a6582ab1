//! Finds the types of parameters whose type the client leaves open, from what they are compared or combined with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ParamKind, ParamType};
use crate::store::schema::{TABLES, TableFunction, table_function};

/// Largest number of parameters, as in the protocol.
const MAX_PARAMETERS: usize = u16::MAX as usize;

/// Returns the highest number of a parameter of the parsed statement.
pub(in crate::store::sql) fn parameter_count(statement: &Value) -> usize {
    match statement {
        Value::Array(items) => items.iter().map(parameter_count).max().unwrap_or(0),
        Value::Object(object) => {
            let own = number(object).unwrap_or(0);
            object.values().map(parameter_count).max().unwrap_or(0).max(own)
        }
        _ => 0,
    }
}

/// Returns the type of each parameter of a parsed statement: the declared one, else that of the other operand, else that of
/// the place (`LIMIT`, an argument), else text.
pub(in crate::store::sql) fn infer(
    statement: &Value,
    views: &BTreeSet<&'static str>,
    declared: &[Option<ParamType>],
) -> Vec<ParamType> {
    let count = parameter_count(statement).min(MAX_PARAMETERS).max(declared.len());
    let mut found = declared.to_vec();
    found.resize(count, None);
    let mut functions = Vec::new();
    collect_functions(statement, &mut functions);
    Inference { views, functions, found: &mut found }.walk(statement);
    found.into_iter().map(|found| found.unwrap_or(ParamType::one(ParamKind::Text))).collect()
}

/// Returns the number of a parameter, if the expression is one.
fn number(object: &Map<String, Value>) -> Option<usize> {
    if object.get("class")?.as_str()? != "PARAMETER" {
        return None;
    }
    object.get("identifier")?.as_str()?.parse().ok().filter(|number| (1..=MAX_PARAMETERS).contains(number))
}

fn number_of(value: &Value) -> Option<usize> {
    value.as_object().and_then(number)
}

/// Adds the table functions of analysts that a parsed statement calls.
fn collect_functions(value: &Value, found: &mut Vec<&'static TableFunction>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_functions(item, found)),
        Value::Object(object) => {
            found.extend(object.get("function_name").and_then(Value::as_str).and_then(table_function));
            object.values().for_each(|inner| collect_functions(inner, found));
        }
        _ => {}
    }
}

struct Inference<'a> {
    views: &'a BTreeSet<&'static str>,
    functions: Vec<&'static TableFunction>,
    found: &'a mut Vec<Option<ParamType>>,
}

impl Inference<'_> {
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(object) => {
                self.look(object);
                object.values().for_each(|inner| self.walk(inner));
            }
            _ => {}
        }
    }

    /// Sets the type of a parameter, if `value` is one without a type.
    fn set(&mut self, value: &Value, found: Option<ParamType>) {
        if let Some(slot) = number_of(value).and_then(|number| self.found.get_mut(number - 1))
            && slot.is_none()
        {
            *slot = found;
        }
    }

    fn look(&mut self, object: &Map<String, Value>) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
        let children = || object.get("children").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match (text("class"), text("type")) {
            ("CAST", _) => {
                let cast = object.get("cast_type").and_then(cast_name);
                if let Some(child) = object.get("child") {
                    self.set(child, cast.as_deref().and_then(of_cast));
                }
            }
            ("COMPARISON", _) => self.alike(&[object.get("left"), object.get("right")]),
            ("BETWEEN", _) => self.alike(&[object.get("input"), object.get("lower"), object.get("upper")]),
            ("OPERATOR", "COMPARE_IN" | "COMPARE_NOT_IN" | "OPERATOR_COALESCE") => {
                self.alike(&children().iter().map(Some).collect::<Vec<_>>());
            }
            ("FUNCTION", _) => self.look_at_function(text("function_name"), children()),
            ("SUBQUERY", _) if text("subquery_type") == "ANY" => {
                let list = object.get("subquery").and_then(|query| query.pointer("/node/select_list/0/children/0"));
                let item = object.get("child").and_then(|child| self.type_of(child));
                if let (Some(list), Some(item)) = (list, item) {
                    self.set(list, Some(ParamType { is_list: true, ..item }));
                }
            }
            (_, "LIMIT_MODIFIER") => {
                for key in ["limit", "offset"] {
                    if let Some(limit) = object.get(key) {
                        self.set(limit, Some(ParamType::one(ParamKind::BigInt)));
                    }
                }
            }
            _ => {}
        }
    }

    /// Gives all parameters among the operands the type of the first operand that has one.
    fn alike(&mut self, operands: &[Option<&Value>]) {
        let found = operands.iter().flatten().find_map(|operand| self.type_of(operand));
        for operand in operands.iter().flatten() {
            self.set(operand, found);
        }
    }

    fn look_at_function(&mut self, name: &str, arguments: &[Value]) {
        let one = |kind| Some(ParamType::one(kind));
        match (name, arguments) {
            ("time_bucket", [width, ..]) => self.set(width, one(ParamKind::Interval)),
            ("time_bucket_gapfill", [width, from, until]) => {
                self.set(width, one(ParamKind::Interval));
                [from, until].into_iter().for_each(|time| self.set(time, one(ParamKind::Timestamp)));
            }
            ("promql", [_, from, until, _]) | ("anomalies_between", [from, until]) => {
                [from, until].into_iter().for_each(|time| self.set(time, one(ParamKind::Timestamp)));
            }
            ("+" | "-", [left, right]) => {
                let instant = |found: Option<ParamType>| {
                    found.is_some_and(|found| {
                        matches!(found.kind, ParamKind::Timestamp | ParamKind::TimestampTz | ParamKind::Date)
                    })
                };
                if instant(self.type_of(left)) {
                    self.set(right, one(ParamKind::Interval));
                } else {
                    self.alike(&[Some(left), Some(right)]);
                }
            }
            ("*" | "/" | "%" | "//" | "contains" | "greatest" | "least" | "nullif", _) => {
                self.alike(&arguments.iter().map(Some).collect::<Vec<_>>());
            }
            _ => {}
        }
    }

    /// Returns the type of an expression, as far as the statement alone shows it.
    fn type_of(&self, value: &Value) -> Option<ParamType> {
        let object = value.as_object()?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
        match text("class") {
            "PARAMETER" => number(object).and_then(|number| *self.found.get(number - 1)?),
            "CONSTANT" => ParamType::of_duckdb(value.pointer("/value/type/id")?.as_str()?)
                .filter(|found| found.kind != ParamKind::Text),
            "CAST" => ParamType::of_duckdb(&cast_name(object.get("cast_type")?)?),
            "COLUMN_REF" => self.column(object.get("column_names")?.as_array()?.last()?.as_str()?),
            "BETWEEN" | "COMPARISON" | "CONJUNCTION" => Some(ParamType::one(ParamKind::Bool)),
            "OPERATOR" if ["OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT"].contains(&text("type")) => {
                Some(ParamType::one(ParamKind::Bool))
            }
            "OPERATOR" if text("type") == "ARRAY_EXTRACT" => Some(ParamType::one(ParamKind::Text)),
            "FUNCTION" => {
                let kind = match text("function_name") {
                    "now" | "time_bucket" | "date_trunc" | "to_timestamp" => ParamKind::Timestamp,
                    "count" | "count_star" | "row_number" | "epoch_ms" | "length" => ParamKind::BigInt,
                    "avg" | "stddev" | "quantile_cont" | "median" | "epoch" | "sqrt" | "ln" => ParamKind::Double,
                    "lower" | "upper" | "concat" | "replace" | "||" | "substring" | "trim" => ParamKind::Text,
                    "+" | "-" | "*" | "/" | "abs" | "round" | "min" | "max" | "sum" | "any_value" | "first"
                    | "last" => {
                        return object.get("children")?.as_array()?.iter().find_map(|child| self.type_of(child));
                    }
                    _ => return None,
                };
                Some(ParamType::one(kind))
            }
            _ => None,
        }
    }

    /// Returns the type of a column of the views and functions that the statement names; `None` if they differ.
    fn column(&self, name: &str) -> Option<ParamType> {
        let columns = TABLES.iter().filter(|table| self.views.contains(table.name)).flat_map(|table| table.columns);
        let of_views = columns.map(|column| (column.name, column.column_type.sql()));
        let of_functions = self.functions.iter().flat_map(|function| function.columns.iter().copied());
        let mut types = of_views.chain(of_functions).filter(|(column, _)| *column == name).map(|(_, kind)| kind);
        let first = types.next()?;
        if types.all(|other| other == first) { ParamType::of_duckdb(first) } else { None }
    }
}

/// Returns the type of a parameter with a cast. `::oid` is translated to `UINTEGER`.
fn of_cast(name: &str) -> Option<ParamType> {
    match name {
        "UINTEGER" => Some(ParamType::one(ParamKind::Oid)),
        "UINTEGER[]" => Some(ParamType { kind: ParamKind::Oid, is_list: true }),
        other => ParamType::of_duckdb(other),
    }
}

/// Returns the name of a type as in a parsed cast, with `[]` for a list.
fn cast_name(cast: &Value) -> Option<String> {
    match cast.get("id")?.as_str()? {
        "LIST" => Some(format!("{}[]", cast_name(cast.pointer("/type_info/child_type")?)?)),
        // A type that the parser does not know is named only.
        "UNBOUND" | "USER" => {
            let info = cast.get("type_info")?;
            let name = info.get("name").or_else(|| info.get("user_type_name")).and_then(Value::as_str);
            let name = name.or_else(|| info.pointer("/expr/type_name").and_then(Value::as_str))?.to_uppercase();
            Some(match name.as_str() {
                "INT8" | "LONG" | "BIGINT" => "BIGINT".to_owned(),
                "INT4" | "INT" | "INTEGER" => "INTEGER".to_owned(),
                "INT2" | "SMALLINT" => "SMALLINT".to_owned(),
                "FLOAT8" | "DOUBLE" => "DOUBLE".to_owned(),
                "FLOAT4" | "REAL" => "FLOAT".to_owned(),
                "TEXT" | "STRING" => "VARCHAR".to_owned(),
                "BOOL" => "BOOLEAN".to_owned(),
                "TIMESTAMPTZ" => "TIMESTAMP WITH TIME ZONE".to_owned(),
                "NUMERIC" => "DECIMAL".to_owned(),
                _ => name,
            })
        }
        name => Some(name.to_owned()),
    }
}
