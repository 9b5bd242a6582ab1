//! Names of the columns of an answer as PostgreSQL gives them where the statement gives none: that of the function, or of
//! the column under a cast.

use serde_json::Value;

/// Returns the names of the columns of a parsed statement that differ from DuckDB's, by position; empty where the columns
/// are not those of a plain list.
pub(in crate::store::sql) fn output_names(statement: &Value) -> Vec<Option<String>> {
    let node = statement.get("node");
    let is_select = node.and_then(|node| node.get("type")?.as_str()) == Some("SELECT_NODE");
    let list = node.filter(|_| is_select).and_then(|node| node.get("select_list")?.as_array());
    let list = list.map_or(&[][..], Vec::as_slice);
    if list.iter().any(|item| text(item, "class") == "STAR") {
        return Vec::new();
    }
    list.iter().map(|item| if text(item, "alias").is_empty() { name(item) } else { None }).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Returns the name of an expression without one; `None` where DuckDB's is the same, or PostgreSQL has no better one.
fn name(item: &Value) -> Option<String> {
    match (text(item, "class"), text(item, "type")) {
        ("FUNCTION" | "WINDOW", _) if item.get("is_operator").and_then(Value::as_bool) != Some(true) => {
            let function = text(item, "function_name");
            let registered = function.strip_suffix("_name").or_else(|| function.strip_suffix("_oid"));
            Some(match registered.filter(|name| text(item, "schema") == "postgres" && name.starts_with("reg")) {
                // A cast to the type of an object identifier has the name of what is cast.
                Some(registered) => {
                    let inner = item.get("children").and_then(|children| cast_name(children.get(0)?));
                    inner.unwrap_or_else(|| registered.to_owned())
                }
                None if function == "count_star" => "count".to_owned(),
                None => function.to_owned(),
            })
        }
        ("CAST", _) => cast_name(item.get("child")?),
        ("CASE", _) => Some("case".to_owned()),
        ("OPERATOR", "OPERATOR_COALESCE") => Some("coalesce".to_owned()),
        _ => None,
    }
}

/// Returns the name of what is cast.
fn cast_name(inner: &Value) -> Option<String> {
    if text(inner, "class") == "COLUMN_REF" {
        return Some(inner.get("column_names")?.as_array()?.last()?.as_str()?.to_owned());
    }
    name(inner)
}
