//! Every query of every panel, annotation and variable has rows in a store with the application's data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use almanac_datasets::simulator::alerts;
use serde_json::Value;
use tempfile::tempdir;

use super::{
    application,
    interpolate::{Scope, Values},
    queries,
};
use crate::harness::{Server, run};

/// Panel types that Grafana 11, 12 and 13 have.
const PANEL_TYPES: [&str; 4] = ["row", "timeseries", "stat", "table"];
const DAY_MS: i64 = 86_400_000;
/// Days of the dashboards' span: all of the data, whose first week has an incident of each kind on any weekday of today.
const SPAN_DAYS: i64 = 16;

#[test]
fn every_query_of_every_panel_has_rows() {
    let folder = tempdir().unwrap();
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let exported = run(folder.path(), ["grafana", "export", "grafana"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    application::prepare(folder.path(), now_ms);
    let server = Server::start(folder.path());
    let (mut checked, mut wrong) = (0, Vec::new());
    for file in ["api", "experience", "system"] {
        let path = folder.path().join(format!("grafana/dashboards/almanac/{file}.json"));
        let board: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        checked += check(&server, &board, now_ms, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 90, "only {checked} queries were checked");
    alerts_fire_in_incidents(&server, folder.path(), now_ms);
    breaches_are_metrics(&server);
}

/// Checks a dashboard; returns the number of queries, and adds what is wrong.
fn check(server: &Server, board: &Value, now_ms: i64, wrong: &mut Vec<String>) -> usize {
    let title = board["title"].as_str().unwrap();
    let mut scope =
        Scope { variables: BTreeMap::new(), from_ms: now_ms - SPAN_DAYS * DAY_MS, to_ms: now_ms + DAY_MS / 4 };
    let mut checked = 0;
    for variable in board["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let values =
            values(server, variable, &scope).unwrap_or_else(|wrong| panic!("{title}, variable {name}: {wrong}"));
        scope.variables.insert(name.to_owned(), values);
        checked += 1;
    }
    let mut count = |what: &str, query: &Value, scope: &Scope| {
        match queries::run(server, query, scope) {
            Ok(0) => wrong.push(format!("{title}, {what}: no rows: {query}")),
            Ok(_) => {}
            Err(fault) => wrong.push(format!("{title}, {what}: {fault}")),
        }
        checked += 1;
    };
    for annotation in board["annotations"]["list"].as_array().unwrap().iter().filter(|one| one["builtIn"] != 1) {
        let mut query = annotation["target"].clone();
        query["datasource"] = annotation["datasource"].clone();
        count(annotation["name"].as_str().unwrap(), &query, &scope);
    }
    let mut ids = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{title}: an id occurs twice");
        assert!(PANEL_TYPES.contains(&panel["type"].as_str().unwrap()), "{panel}");
        let name = panel["title"].as_str().unwrap();
        let scopes: Vec<Scope> = match panel["repeat"].as_str() {
            Some(variable) => {
                scope.variables[variable].values.iter().map(|value| scope.with(variable, value)).collect()
            }
            None => vec![scope.clone()],
        };
        for query in panel["targets"].as_array().into_iter().flatten() {
            let path = query["url"].as_str().unwrap_or_default();
            let is_anomaly = path == "/v1/anomalies" && !query.to_string().contains("min_score");
            if is_anomaly && scopes.len() > 1 {
                // A signal without an anomaly is possible; all together have some.
                let together = &scope.variables["signal"].values.join(",");
                count(name, query, &scope.with("signal", together));
            } else {
                scopes.iter().for_each(|scope| count(name, query, scope));
            }
        }
    }
    checked
}

/// Returns the values of a variable: its options for "All", otherwise the selected ones, which have to be options.
fn values(server: &Server, variable: &Value, scope: &Scope) -> Result<Values, String> {
    let current = &variable["current"]["value"];
    let selected: Vec<String> = match current {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect(),
        other => return Err(format!("current is {other}")),
    };
    let multi = variable["multi"] == true;
    if variable["type"] != "query" {
        return Ok(Values { values: selected, multi });
    }
    let options = match variable["query"]["qryType"].as_i64() {
        Some(1) => label_values(server, &scope.promql(variable["query"]["query"].as_str().ok_or("no query")?))?,
        _ => {
            let rows = queries::rows(server, &variable["query"]["infinityQuery"], scope)?;
            rows.iter().filter_map(|row| Some(row.values().next()?.as_str()?.to_owned())).collect()
        }
    };
    if selected == ["$__all"] {
        return if options.is_empty() { Err("no options".into()) } else { Ok(Values { values: options, multi }) };
    }
    match selected.iter().find(|value| !options.contains(value)) {
        Some(missing) => Err(format!("{missing} is not among {options:?}")),
        None => Ok(Values { values: selected, multi }),
    }
}

/// Returns the values of `label_values(label)` or `label_values(selector, label)`.
fn label_values(server: &Server, text: &str) -> Result<Vec<String>, String> {
    let inner = text.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).ok_or("no label_values")?;
    let (selector, label) = inner.rsplit_once(", ").map_or((None, inner), |(selector, label)| (Some(selector), label));
    let mut request = server.request("GET", &format!("/api/v1/label/{label}/values"));
    if let Some(selector) = selector {
        request = request.query(&[("match[]", selector)]);
    }
    let answer = server.send(request).json();
    let list = answer["data"].as_array().ok_or_else(|| answer.to_string())?;
    Ok(list.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect())
}

/// Checks that the exported rules are the application's alerts, and that they have values in the application's data.
fn alerts_fire_in_incidents(server: &Server, folder: &Path, now_ms: i64) {
    let text = fs::read_to_string(folder.join("grafana/rules/application.yml")).unwrap();
    let rules = almanac_engine::advise::threshold::RuleFile::parse("application.yml", &text).unwrap();
    let (rules, kept) = rules.alerts("application.yml");
    assert!(kept.is_empty(), "{kept:?}");
    let scope = Scope { from_ms: now_ms - SPAN_DAYS * DAY_MS, to_ms: now_ms, ..Scope::default() };
    for alert in alerts() {
        let rule = rules.iter().find(|rule| rule.alert == alert.alert).unwrap_or_else(|| panic!("no {}", alert.alert));
        assert!(rule.expr.ends_with(&format!(") {}", alert.bound.comparison())), "{}: {}", alert.alert, rule.expr);
        let signal = rule.expr.trim_end_matches(&format!(" {}", alert.bound.comparison()));
        let query = serde_json::json!({ "datasource": { "type": "prometheus" }, "expr": signal, "legendFormat": "" });
        let values = queries::run(server, &query, &scope).unwrap();
        assert!(values > 300, "{}: {values} values of {signal}", alert.alert);
    }
    for alert in ["ErrorRateCritical", "QueueDepthCritical", "ApiLatencyWarning"] {
        let expr = &rules.iter().find(|rule| rule.alert == alert).unwrap().expr;
        let fired = format!("max_over_time(({expr})[30m:2m])");
        let query = serde_json::json!({ "datasource": { "type": "prometheus" }, "expr": fired, "legendFormat": "" });
        assert!(queries::run(server, &query, &scope).unwrap() > 0, "{alert} does not fire in an incident");
    }
}

/// Waits for the metrics of expected breaches, which the predicted alerts read.
fn breaches_are_metrics(server: &Server) {
    for _ in 0..600 {
        let metrics = server.get("/metrics").text();
        let found =
            |alert: &str| metrics.contains(&format!("almanac_breach_expected_timestamp_seconds{{alert=\"{alert}\"}}"));
        if found("DiskSpaceWarning") && found("CertificateExpiryWarning") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("no metrics of expected breaches");
}
