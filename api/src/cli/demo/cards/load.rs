//! Cards of recommendations that follow from a model of a load: connection pools, rows of a statement.

use almanac_engine::store::rows::RecommendationRow;
use serde_json::Value;

use super::text::{BELOW_LEAST_WAIT, LEAST_WAIT, count, duration, labelled, table};
use crate::cli::demo::time_scale::TimeScale;

/// Shows the predicted wait for a connection by the number of connections.
pub(super) fn pool(row: &RecommendationRow, _: TimeScale) -> String {
    let evidence = &row.evidence;
    let curve = evidence["curve"].as_array().map(Vec::as_slice).unwrap_or_default();
    let seconds = |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), duration);
    let rows = curve.iter().map(|point| {
        let connections = marked(&point["connections"], row, "connections");
        if point["upper"].as_f64().is_some_and(|wait| wait < LEAST_WAIT) {
            return vec![connections, BELOW_LEAST_WAIT.to_owned(), String::new()];
        }
        let range = format!("{} to {}", seconds(&point["lower"]), seconds(&point["upper"]));
        vec![connections, seconds(&point["wait_p95"]), range]
    });
    let header = ["connections of an instance", "95 % wait, busiest times", "range"];
    let mut text = format!("{}\n", table(&header, rows.collect()));
    let limit = seconds(&evidence["wait_max"]);
    let measured = evidence["measured"]["wait_p95_busiest"].as_f64();
    let measured = measured.map_or_else(String::new, |wait| format!("; measured at present: {}", duration(wait)));
    text.push_str(&labelled("limit", &format!("{limit}{measured}")));
    let used = format!(
        "{} checkouts of {} on average ({}); {} connections in use on average",
        evidence["checkouts_per_instance"].as_f64().map_or_else(|| "–".to_owned(), count),
        seconds(&evidence["hold_mean"]),
        evidence["hold_shape"].as_str().unwrap_or_default(),
        evidence["in_use_mean"].as_f64().map_or_else(|| "–".to_owned(), |used| format!("{used:.2}")),
    );
    text.push_str(&labelled("rests on", &used));
    text
}

/// Shows the time of a row and of a statement by the rows of a statement.
pub(super) fn batch(row: &RecommendationRow, _: TimeScale) -> String {
    let evidence = &row.evidence;
    let curve = evidence["curve"].as_array().map(Vec::as_slice).unwrap_or_default();
    let seconds = |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), duration);
    let rows = curve.iter().map(|point| {
        let whole = point["seconds_per_row"].as_f64().zip(point["rows"].as_f64()).map(|(each, rows)| each * rows);
        vec![
            marked(&point["rows"], row, "rows"),
            seconds(&point["seconds_per_row"]),
            whole.map_or_else(|| "–".to_owned(), duration),
            seconds(&point["p95_seconds"]),
        ]
    });
    let header = ["rows of a statement", "time of a row", "time of a statement", "95 %"];
    let mut text = format!("{}\n", table(&header, rows.collect()));
    let number = |name: &str| evidence[name].as_f64().map_or_else(|| "–".to_owned(), count);
    let rests = format!(
        "{} steps of mean rows and mean time, with statements of {} to {} rows",
        number("pairs"),
        evidence["sizes"][0].as_f64().map_or_else(|| "–".to_owned(), count),
        evidence["sizes"][1].as_f64().map_or_else(|| "–".to_owned(), count),
    );
    text.push_str(&labelled("rests on", &rests));
    let limits =
        evidence["limits"].as_array().into_iter().flatten().filter_map(|limit| {
            Some(format!("{} rows: {}", count(limit["rows"].as_f64()?), limit["reason"].as_str()?))
        });
    text.push_str(&labelled("at most", &limits.collect::<Vec<_>>().join("; ")));
    text
}

/// Formats a size, with a mark at the present and the recommended one.
fn marked(size: &Value, row: &RecommendationRow, name: &str) -> String {
    let Some(size) = size.as_f64() else { return "–".to_owned() };
    let is = |setting: &Value| setting[name].as_f64().is_some_and(|value| (value - size).abs() < 0.5);
    let mark = match (is(&row.current), is(&row.proposed)) {
        (true, _) => " (now)",
        (_, true) => " (recommended)",
        _ => "",
    };
    format!("{}{mark}", count(size))
}
