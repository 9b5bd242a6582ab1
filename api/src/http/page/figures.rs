//! Turns the evidence of any advisor, open JSON, into tables.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::format::{digits, words};

/// Depth below which JSON is shown as text.
const MAX_DEPTH: usize = 4;
/// Rows of a list that are shown.
const MAX_ROWS: usize = 200;

/// One table of figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FigureTable {
    /// Title: the path of the figures in the evidence; empty for its own fields.
    pub(super) title: String,
    /// Heads of the columns; empty for a table of names and values.
    pub(super) heads: Vec<String>,
    /// Cells of the rows; the first cell names the row.
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that are left out.
    pub(super) left_out: usize,
}

/// Returns the tables of an evidence: its plain figures, then one table for each part.
///
/// Objects whose values are objects with the same keys, and lists of objects, become tables with columns. `hidden`:
/// keys of the first level that are shown elsewhere.
pub(super) fn tables(evidence: &Value, hidden: &[&str]) -> Vec<FigureTable> {
    let Value::Object(fields) = evidence else { return Vec::new() };
    let shown: Map<String, Value> =
        fields.iter().filter(|(key, _)| !hidden.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut out = Vec::new();
    add_object(String::new(), &shown, 0, &mut out);
    out
}

fn add_object(title: String, fields: &Map<String, Value>, depth: usize, out: &mut Vec<FigureTable>) {
    let mut plain = Vec::new();
    let mut parts = Vec::new();
    for (key, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Array(list) if list.is_empty() => {}
            Value::Object(inner) if depth < MAX_DEPTH => match interval(inner) {
                Some(text) => plain.push(vec![words(key), text]),
                None => parts.push((key, value)),
            },
            Value::Array(list) if depth < MAX_DEPTH && list.iter().any(Value::is_object) => parts.push((key, value)),
            value => plain.push(vec![words(key), cell(value)]),
        }
    }
    if !plain.is_empty() {
        out.push(FigureTable { title: title.clone(), heads: Vec::new(), rows: plain, left_out: 0 });
    }
    for (key, value) in parts {
        let title = if title.is_empty() { words(key) } else { format!("{title}: {}", words(key)) };
        match value {
            Value::Array(list) => out.push(of_list(title, list)),
            Value::Object(inner) => match of_equal(&title, inner) {
                Some(table) => out.push(table),
                None => add_object(title, inner, depth + 1, out),
            },
            _ => {}
        }
    }
}

/// Returns `value (lower to upper)` of an interval.
fn interval(fields: &Map<String, Value>) -> Option<String> {
    let number = |key: &str| fields.get(key).and_then(Value::as_f64);
    let (value, lower, upper) = (number("value")?, number("lower")?, number("upper")?);
    let is_plain = fields
        .iter()
        .all(|(key, value)| ["value", "lower", "upper", "level"].contains(&key.as_str()) || value.is_null());
    is_plain.then(|| format!("{} ({} to {})", digits(value), digits(lower), digits(upper)))
}

/// Returns the table of an object whose values, at least two, are objects with the same keys.
fn of_equal(title: &str, fields: &Map<String, Value>) -> Option<FigureTable> {
    let objects: Vec<(&String, &Map<String, Value>)> =
        fields.iter().filter_map(|(key, value)| Some((key, value.as_object()?))).collect();
    let others = fields.values().filter(|value| !value.is_null() && !value.is_object()).count();
    let (_, first) = objects.first()?;
    let keys: Vec<&String> = first.keys().collect();
    let is_equal = objects.len() >= 2
        && others == 0
        && interval(first).is_none()
        && objects
            .iter()
            .all(|(_, object)| object.len() == keys.len() && keys.iter().all(|key| object.contains_key(*key)));
    if !is_equal {
        return None;
    }
    let heads = [String::new()].into_iter().chain(keys.iter().map(|key| words(key))).collect();
    let rows = objects
        .iter()
        .map(|(name, object)| [words(name)].into_iter().chain(object.values().map(cell)).collect())
        .collect();
    Some(FigureTable { title: title.to_owned(), heads, rows, left_out: 0 })
}

fn of_list(title: String, list: &[Value]) -> FigureTable {
    let mut keys: Vec<String> = Vec::new();
    let flat: Vec<Vec<(String, String)>> = list.iter().take(MAX_ROWS).map(flattened).collect();
    for (key, _) in flat.iter().flatten() {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let rows = flat
        .iter()
        .map(|row| {
            keys.iter()
                .map(|key| {
                    row.iter().find(|(known, _)| known == key).map_or_else(String::new, |(_, text)| text.clone())
                })
                .collect()
        })
        .collect();
    FigureTable {
        title,
        heads: keys.iter().map(|key| words(key)).collect(),
        rows,
        left_out: list.len().saturating_sub(MAX_ROWS),
    }
}

/// Returns the leaves of a value with their paths; intervals stay together.
fn flattened(value: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => match interval(fields) {
                Some(text) => out.push((path.to_owned(), text)),
                None => {
                    for (key, value) in fields {
                        let path = if path.is_empty() { key.clone() } else { format!("{path} {key}") };
                        walk(&path, value, out);
                    }
                }
            },
            value => out.push((path.to_owned(), cell(value))),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// Returns a leaf as text.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), number_text),
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .map_or_else(|_| text.clone(), |at| format!("{} UTC", at.to_utc().format("%Y-%m-%d %H:%M"))),
        Value::Object(fields) => interval(fields).unwrap_or_else(|| value.to_string()),
        Value::Array(list) if list.iter().all(Value::is_number) && list.len() > 12 => format!("{} values", list.len()),
        Value::Array(list) if list.iter().all(|item| !item.is_object() && !item.is_array()) => {
            list.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}

/// Returns a number of the evidence; whole numbers in the range of epoch milliseconds are times.
fn number_text(number: f64) -> String {
    // From 2001 to 2096: no other figure of an evidence is as large.
    if (1e12..4e12).contains(&number) && number.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return super::format::time(almanac_models::Timestamp::from_millis(number as i64));
    }
    digits(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_evidence_becomes_tables() {
        let evidence = json!({
            "steps": 420, "from": 1_767_225_600_000_i64, "leader": "vpa", "remarks": [], "before": null, "terms": {"a": 1},
            "cost": {"value": 1.5, "lower": 1.0, "upper": 2.0, "present": null},
            "rules": {"vpa": {"idle_share": 0.5, "cost": 1}, "krr": {"idle_share": 0.25, "cost": 2}, "present": null},
            "ttls": [{"ttl_seconds": 1, "hit_ratio": {"predicted": {"value": 0.5, "lower": 0.4, "upper": 0.6}, "replayed": 0.51}}],
            "replay": {"events": 10, "current": {"ttl_seconds": 12.5}},
        });
        let tables = tables(&evidence, &["terms"]);
        let titles: Vec<&str> = tables.iter().map(|table| table.title.as_str()).collect();
        assert_eq!(titles, ["", "rules", "ttls", "replay", "replay: current"]);
        assert_eq!(tables[0].rows[1], ["from", "2026-01-01 00:00"]);
        assert_eq!(tables[0].rows[3], ["cost", "1.5 (1 to 2)"]);
        assert_eq!(
            (tables[1].heads.clone(), tables[1].rows[0].clone()),
            (vec![String::new(), "idle share".into(), "cost".into()], vec!["vpa".into(), "0.5".into(), "1".into()],)
        );
        assert_eq!(tables[2].heads, ["ttl seconds", "hit ratio predicted", "hit ratio replayed"]);
        assert_eq!(tables[2].rows[0], ["1", "0.5 (0.4 to 0.6)", "0.51"]);
        assert!(super::tables(&json!(3), &[]).is_empty());
    }

    #[test]
    fn long_lists_say_what_is_left_out() {
        let list: Vec<Value> = (0..MAX_ROWS + 5).map(|number| json!({"n": number})).collect();
        let tables = tables(&json!({ "list": list, "points": vec![1.0; 40] }), &[]);
        assert_eq!((tables[1].rows.len(), tables[1].left_out), (MAX_ROWS, 5));
        assert_eq!(tables[0].rows[0], ["points", "40 values"]);
    }
}
