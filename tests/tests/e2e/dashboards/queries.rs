//! Runs the queries of a dashboard as its data sources do: PromQL, and Infinity's backend parser with pages and typed
//! columns.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::interpolate::Scope;
use crate::harness::Server;

/// Largest number of pages that Infinity requests.
const PAGES: usize = 6;

/// Runs a query; returns the number of values or rows, or what is wrong with it.
pub(super) fn run(server: &Server, query: &Value, scope: &Scope) -> Result<usize, String> {
    match query["datasource"]["type"].as_str() {
        Some("prometheus") => promql(server, query, scope),
        Some("yesoreyeram-infinity-datasource") => rows(server, query, scope).map(|rows| rows.len()),
        other => Err(format!("unknown data source {other:?}")),
    }
}

fn promql(server: &Server, query: &Value, scope: &Scope) -> Result<usize, String> {
    let expr = scope.promql(query["expr"].as_str().ok_or("no expr")?);
    let legend = query["legendFormat"].as_str().ok_or("no legend")?;
    let span = [("start", scope.from_ms / 1000), ("end", scope.to_ms / 1000), ("step", 1_800)];
    let form = [("query", expr.clone())].into_iter().chain(span.map(|(key, value)| (key, value.to_string())));
    let reply = server.send(server.request("POST", "/api/v1/query_range").form(&form.collect::<Vec<_>>()));
    let answer = reply.json();
    if reply.status != 200 {
        return Err(format!("{expr}: {answer}"));
    }
    let series = answer["data"]["result"].as_array().ok_or("no result")?;
    for label in scope.promql(legend).split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
        if label != "instance" && series.iter().any(|one| one["metric"][label].is_null()) {
            return Err(format!("{expr}: no label {label} for the legend"));
        }
    }
    let finite = |point: &&Value| point[1].as_str().is_some_and(|text| text.parse().is_ok_and(f64::is_finite));
    Ok(series.iter().flat_map(|one| one["values"].as_array().into_iter().flatten()).filter(finite).count())
}

/// Returns the rows of an Infinity query, each with its columns.
pub(super) fn rows(server: &Server, query: &Value, scope: &Scope) -> Result<Vec<Map<String, Value>>, String> {
    for (key, expected) in [("type", "json"), ("source", "url"), ("parser", "backend"), ("pagination_mode", "cursor")] {
        if query[key] != expected {
            return Err(format!("{key} is {} instead of {expected}", query[key]));
        }
    }
    let path = query["url"].as_str().ok_or("no url")?;
    let columns = query["columns"].as_array().filter(|columns| !columns.is_empty()).ok_or("no columns")?;
    let mut parameters: Vec<(String, String)> = Vec::new();
    for parameter in query["url_options"]["params"].as_array().into_iter().flatten() {
        let [key, value] = ["key", "value"].map(|part| parameter[part].as_str().unwrap_or_default());
        parameters.push((key.to_owned(), scope.parameter(value)));
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let mut request = server.request("GET", path).query(&parameters);
        if !cursor.is_empty() {
            let name = query["pagination_param_cursor_field_name"].as_str().ok_or("no name of the cursor")?;
            request = request.query(&[(name, &cursor)]);
        }
        let reply = server.send(request);
        let answer = reply.json();
        if reply.status != 200 {
            return Err(format!("{path} {parameters:?}: {answer}"));
        }
        let root = query["root_selector"].as_str().ok_or("no root")?;
        for row in answer[root].as_array().ok_or_else(|| format!("{path}: no list {root}"))? {
            found.push(columns.iter().map(|column| cell(row, column)).collect::<Result<_, _>>()?);
        }
        // Infinity fails when the path of the cursor is missing.
        let next = query["pagination_param_cursor_extraction_path"].as_str().ok_or("no path of the cursor")?;
        cursor = answer[next].as_str().ok_or_else(|| format!("{path}: no {next}"))?.to_owned();
        if cursor.is_empty() {
            return Ok(found);
        }
    }
    Err(format!("{path}: more than {PAGES} pages"))
}

/// Returns a column of a row. Null is valid in every type; an object or list is not flat.
fn cell(row: &Value, column: &Value) -> Result<(String, Value), String> {
    let [selector, name, kind] = ["selector", "text", "type"].map(|part| column[part].as_str().unwrap_or_default());
    let mut value = row;
    for part in selector.split('.') {
        value = &value[part];
    }
    let is_valid = value.is_null()
        || match kind {
            "number" => value.is_number(),
            // Infinity writes a number as text.
            "string" => value.is_string() || value.is_number() || value.is_boolean(),
            "timestamp" => value.as_str().is_some_and(|text| DateTime::parse_from_rfc3339(text).is_ok()),
            _ => false,
        };
    if is_valid { Ok((name.to_owned(), value.clone())) } else { Err(format!("{selector} is no {kind}: {value}")) }
}
