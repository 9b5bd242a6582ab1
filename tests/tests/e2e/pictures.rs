//! The pictures of every recommendation of the demo, as a page gets them.

use serde_json::{Value, json};

use super::harness::{Server, almanac};

/// Checks the rules of a picture that a page relies on.
fn assert_sound(id: &str, picture: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{id}: {value}")).to_owned();
    let list = |value: &Value| value.as_array().unwrap_or_else(|| panic!("{id}: {value}")).clone();
    let one_of = |value: &Value, words: &[&str]| assert!(words.contains(&&*text(value)), "{id}: {value}");
    let name = format!("{id} {}", text(&picture["name"]));
    assert!(!text(&picture["title"]).is_empty() && text(&picture["text"]).ends_with('.'), "{name}");
    one_of(&picture["x"]["kind"], &["time", "number"]);
    one_of(&picture["x"]["scale"], &["linear", "log"]);
    let x: Vec<f64> = list(&picture["x"]["values"]).iter().map(|value| value.as_f64().unwrap()).collect();
    assert!(!x.is_empty() && x.len() <= 1_500 && x.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
    if picture["x"]["kind"] == "time" {
        assert!(list(&picture["x"]["values"]).iter().all(Value::is_i64), "{name}: times are whole milliseconds");
    }
    for line in list(&picture["lines"]) {
        one_of(&line["role"], &["measured", "present", "proposed", "compared", "lower", "upper", "limit"]);
        one_of(&line["shape"], &["line", "steps", "points"]);
        let values = list(&line["values"]);
        assert_eq!(values.len(), x.len(), "{name} {}", line["name"]);
        assert!(values.iter().any(Value::is_f64) && values.iter().all(|value| value.is_f64() || value.is_null()));
    }
    let spans = list(&picture["spans"]);
    assert!(spans.len() <= 200, "{name}: {} spans", spans.len());
    for span in spans {
        one_of(&span["role"], &["shortfall", "incident", "alert", "false_alert", "learned", "missing"]);
        let (from, to) = (span["from"].as_f64().unwrap(), span["to"].as_f64().unwrap());
        assert!(x[0] <= from && from <= to && to <= x[x.len() - 1], "{name}: {span}");
    }
    for mark in list(&picture["marks"]) {
        one_of(&mark["role"], &["present", "proposed", "limit", "now"]);
        assert!((x[0]..=x[x.len() - 1]).contains(&mark["at"].as_f64().unwrap()), "{name}: {mark}");
    }
}

/// Returns the names of the pictures of a recommendation, each of them checked.
fn names(demo: &Server, id: &str) -> Vec<String> {
    let reply = demo.get(&format!("/v1/recommendations/{id}/pictures"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert!(body.get("missing").is_none(), "{id}: {}", body["missing"]);
    let pictures = body["pictures"].as_array().unwrap();
    pictures.iter().for_each(|picture| assert_sound(id, picture));
    pictures.iter().map(|picture| picture["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_recommendation_of_the_demo_is_drawn() {
    let home = tempfile::tempdir().unwrap();
    let mut command = almanac(home.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let demo = Server::from_command(command);
    let listed = demo.get("/v1/recommendations").json();
    let rows = listed["recommendations"].as_array().unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for row in rows {
        let (id, kind) = (row["id"].as_str().unwrap(), row["kind"].as_str().unwrap());
        let expected: &[&str] = match kind {
            "scaling" => &["replicas", "schedule"],
            "rightsizing" => &["usage", "rules"],
            "ttl" => &["hit_ratio", "stale_share"],
            "batch" => &["time_per_row"],
            "pool" => &["wait"],
            // Their evidence is statements and figures.
            "index" | "query" | "settings" => &[],
            other => panic!("the demo recommends {other}"),
        };
        let drawn = names(&demo, id);
        assert!(drawn.starts_with(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()), "{id}: {drawn:?}");
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");

    // What falls short in the picture is what the evidence counts: no span is left out, and every step is a slot.
    let row = rows.iter().find(|row| row["kind"] == "scaling").unwrap();
    let body = demo.get(&format!("/v1/recommendations/{}/pictures", row["id"].as_str().unwrap())).json();
    let picture = &body["pictures"][0];
    for (label, policy) in [
        ("forecast rule falls short", "predictive"),
        ("reactive rule falls short", "reactive"),
        ("reactive rule at the same cost falls short", "same_cost"),
    ] {
        let spans = picture["spans"].as_array().unwrap().iter().filter(|span| span["label"] == label);
        let drawn: i64 = spans.map(|span| span["to"].as_i64().unwrap() - span["from"].as_i64().unwrap()).sum();
        let minutes = row["evidence"]["policies"][policy]["under_provisioned_minutes"].as_f64().unwrap();
        assert!((drawn as f64 / 60_000.0 - minutes).abs() < 1e-6, "{label}: {drawn} ms, {minutes} minutes");
    }

    // Applied just now: what was decided on is still drawn, and nothing is measured yet.
    let id = row["id"].as_str().unwrap();
    let applied = demo.post_json(&format!("/v1/recommendations/{id}/applied"), &json!({}));
    assert_eq!(applied.status, 200, "{}", applied.text());
    assert_eq!(names(&demo, id), ["replicas", "schedule"]);
    assert_eq!(demo.get("/v1/recommendations/scaling-none-1/pictures").status, 404);
    assert!(demo.stop().success());
}
