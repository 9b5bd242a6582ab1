//! Variables of dashboards.

use serde_json::{Value, json};

use super::query::{self, Rows};
use crate::cli::grafana::sources::{INFINITY_UID, PROMETHEUS_UID};

/// Returns the variables that select the data sources.
pub(super) fn sources() -> Vec<Value> {
    vec![
        source("prometheus", "Metrics", "prometheus", "", ("Almanac", PROMETHEUS_UID)),
        source("almanac", "Learned", "yesoreyeram-infinity-datasource", "/Almanac/", ("Almanac learned", INFINITY_UID)),
    ]
}

fn source(name: &str, label: &str, kind: &str, regex: &str, (text, uid): (&str, &str)) -> Value {
    json!({
        "name": name, "label": label, "type": "datasource", "query": kind, "regex": regex, "refresh": 1,
        "current": { "text": text, "value": uid }, "hide": 0, "includeAll": false, "multi": false, "options": [],
        "skipUrlSync": false,
    })
}

/// Returns a variable with a free text, such as the name of a metric or of a label.
pub(super) fn textbox(name: &str, label: &str, value: &str) -> Value {
    let current = json!({ "text": value, "value": value, "selected": true });
    json!({
        "name": name, "label": label, "type": "textbox", "query": value, "current": current, "options": [current],
        "hide": 0, "skipUrlSync": false,
    })
}

/// Returns a variable with the values of a label, all by default. `of` is the argument of `label_values`.
pub(super) fn label(name: &str, label: &str, of: &str) -> Value {
    let query = format!("label_values({of})");
    json!({
        "name": name, "label": label, "type": "query", "datasource": query::prometheus(),
        "query": { "qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
        "current": { "text": ["All"], "value": ["$__all"] }, "hide": 0, "includeAll": true, "multi": true,
        "options": [], "refresh": 2, "regex": "", "sort": 1, "skipUrlSync": false,
    })
}

/// Returns the variable with the learned signals to show, with these at first.
pub(super) fn signals(selected: &[&str]) -> Value {
    let rows = Rows::new("/v1/signals", &[("status", "ready")], &[query::text("signal", "signal")]);
    let mut infinity = rows.table();
    infinity["refId"] = "variable".into();
    json!({
        "name": "signal", "label": "Signals", "type": "query", "datasource": query::infinity(),
        "query": { "queryType": "infinity", "query": "", "refId": "variable", "infinityQuery": infinity },
        "current": { "text": selected, "value": selected }, "hide": 0, "includeAll": false, "multi": true,
        "options": [], "refresh": 1, "regex": "", "sort": 1, "skipUrlSync": false,
    })
}
