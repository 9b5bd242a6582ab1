//! Cards of recommendations on a database: indexes, statements, settings.

use almanac_engine::{database::memory::about, store::rows::RecommendationRow};
use serde_json::{Map, Value};

use super::text::{count, duration, labelled, number, statement, table};
use crate::cli::demo::time_scale::TimeScale;

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;
/// Statements in the table of a card.
const STATEMENTS: usize = 3;
/// Characters of a statement in a table.
const SHORT: usize = 58;
/// Characters of a statement that is printed on lines of its own.
const LONG: usize = 480;

/// Shows the statements that an index serves, with their times now and expected, and what the index costs.
pub(super) fn index(row: &RecommendationRow, _: TimeScale) -> String {
    let (evidence, proposed) = (&row.evidence, &row.proposed);
    let mut text = String::new();
    if let Some(families) = evidence["statements"].as_array() {
        let days = evidence["observed_seconds"].as_f64().unwrap_or(DAY_S) / DAY_S;
        let rows = families.iter().take(STATEMENTS).map(|family| {
            let of = |name: &str| family[name].as_f64().unwrap_or(f64::NAN);
            vec![
                statement(text_of(&family["statement"]), SHORT),
                count(of("calls") / days),
                duration(of("mean_ms") / 1e3),
                duration(of("expected_ms") / 1e3),
                text_of(&family["reads_by"]).to_owned(),
            ]
        });
        let header = ["statement", "calls a day", "now", "expected", "reads now by"];
        text.push_str(&format!("{}\n", table(&header, rows.collect())));
        if families.len() > STATEMENTS {
            text.push_str(&labelled("", &format!("and {} more", families.len() - STATEMENTS)));
        }
    }
    text.push_str(&labelled("change", text_of(&proposed["statement"])));
    let bytes = evidence["expected_bytes"].as_f64().or(evidence["bytes"].as_f64());
    let size =
        bytes.map(|bytes| format!("{}{}", about(bytes), if evidence["bytes"].is_null() { ", estimated" } else { "" }));
    text.push_str(&labelled("size", &size.unwrap_or_default()));
    let lost = evidence["lost_to_writes_seconds_per_day"].as_f64();
    text.push_str(&labelled(
        "writes",
        &lost.map(|lost| format!("take {} s a day more", number(lost))).unwrap_or_default(),
    ));
    let regained = evidence["regained_by_writes_seconds_per_day"].as_f64();
    text.push_str(&labelled(
        "writes",
        &regained.map(|won| format!("take {} s a day less", number(won))).unwrap_or_default(),
    ));
    let names: Vec<&str> = evidence["makes_superfluous"].as_array().into_iter().flatten().map(text_of).collect();
    text.push_str(&labelled("replaces", &names.join(", ")));
    text
}

/// Shows the pattern, and the statement before and after.
pub(super) fn query(row: &RecommendationRow, _: TimeScale) -> String {
    let (evidence, proposed) = (&row.evidence, &row.proposed);
    let mut pattern = text_of(&evidence["pattern"]).replace('_', " ");
    if let Some(route) = evidence["route"].as_str() {
        pattern.push_str(&format!(" in {route}"));
    }
    if let (Some(calls), Some(mean)) = (evidence["calls_per_day"].as_f64(), evidence["mean_ms"].as_f64()) {
        pattern.push_str(&format!("; {} calls a day, {} each", count(calls), duration(mean / 1e3)));
    }
    let mut text = labelled("pattern", &pattern);
    for note in evidence["notes"].as_array().into_iter().flatten() {
        text.push_str(&labelled("", text_of(note)));
    }
    let (before, after) = (text_of(&row.current["statement"]), text_of(&proposed["statement"]));
    text.push_str(&labelled("before", &statement(before, LONG)));
    text.push_str(&labelled("first page", &statement(text_of(&proposed["first_page"]["statement"]), LONG)));
    let is_changed = after != before;
    text.push_str(&labelled(
        "after",
        &if is_changed { statement(after, LONG) } else { "the same statement".to_owned() },
    ));
    text.push_str(&labelled("change", text_of(&proposed["change"])));
    let needs: Vec<String> = proposed["needs"].as_array().into_iter().flatten().map(need).collect();
    text.push_str(&labelled("needs", &needs.join("; ")));
    text.push_str(&labelled("results", text_of(&evidence["results"])));
    text.push_str(&labelled("rests on", text_of(&evidence["rests_on"])));
    text
}

/// Formats what a statement needs: an index or an extension.
fn need(need: &Value) -> String {
    if let Some(extension) = need["extension"].as_str() {
        return format!("the extension {extension}");
    }
    let keys: Vec<&str> = need["columns"].as_array().into_iter().flatten().map(text_of).collect();
    format!("an index on {} USING {} ({})", text_of(&need["table"]), text_of(&need["method"]), keys.join(", "))
}

/// Shows the change of a setting and what it rests on.
pub(super) fn setting(row: &RecommendationRow, _: TimeScale) -> String {
    let (evidence, proposed) = (&row.evidence, &row.proposed);
    let mut text = String::new();
    if let Some(families) = evidence["statements"].as_array() {
        let days = evidence["observed_seconds"].as_f64().unwrap_or(DAY_S) / DAY_S;
        let rows = families.iter().take(STATEMENTS).map(|family| {
            let of = |name: &str| family[name].as_f64().unwrap_or(f64::NAN);
            let nodes: Vec<&str> = family["nodes"].as_array().into_iter().flatten().map(text_of).collect();
            vec![
                statement(text_of(&family["statement"]), SHORT),
                count(of("calls") / days),
                about(of("temporary_bytes_per_call")),
                about(of("needs_bytes")),
                format!("{}: {}", text_of(&family["basis"]), nodes.join(", ")),
            ]
        });
        let header = ["statement", "calls a day", "temporary files each", "needs", "shown by"];
        text.push_str(&format!("{}\n", table(&header, rows.collect())));
    }
    text.push_str(&labelled("change", text_of(&proposed["statement"])));
    let value = |setting: &Value| setting["value"].as_str().unwrap_or("the default").to_owned();
    let from_to = format!("{}: {} → {}", text_of(&proposed["setting"]), value(&row.current), value(proposed));
    text.push_str(&labelled("value", &format!("{from_to}, for the {}", text_of(&proposed["scope"]))));
    let facts: Vec<String> = evidence.as_object().into_iter().flat_map(facts).collect();
    text.push_str(&labelled("rests on", &facts.join("; ")));
    for note in evidence["notes"].as_array().into_iter().flatten() {
        text.push_str(&labelled("note", text_of(note)));
    }
    text
}

/// Formats the numbers and texts of evidence, each with its name.
fn facts(evidence: &Map<String, Value>) -> Vec<String> {
    // Read back by the program (`before`), or printed elsewhere.
    let left_out = ["basis", "before", "statements", "notes", "terms", "terms_before", "way_back"];
    let known = evidence.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
    let each = known.filter_map(|(name, value)| {
        let bytes = name.split('_').any(|part| part == "bytes");
        let words = name.replace("_bytes", "").replace("bytes_", "").replace('_', " ");
        match value {
            Value::Number(value) if bytes => Some(format!("{words} {}", about(value.as_f64()?))),
            Value::Number(value) => Some(format!("{words} {}", number(value.as_f64()?))),
            Value::String(text) => Some(format!("{words}: {text}")),
            _ => None,
        }
    });
    each.collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
