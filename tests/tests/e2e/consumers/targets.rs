//! Objectives: judged on stored samples, as rows and in the stream of a consumer.

use std::{fs, thread, time::Duration};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::Server;

const CONFIG: &str = r#"
[advise]
every = "1s"
[[target]]
name = "latency"
expr = "latency"
at_most = 0.5
over = "2h"
share = 0.9
[[target]]
name = "workers"
expr = "min(workers)"
at_least = 3
over = "2h"
[[target]]
name = "silent"
expr = "nothing"
at_most = 1
"#;

#[test]
fn objectives_are_judged_and_those_in_danger_reach_consumers() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), CONFIG).unwrap();
    let server = Server::start(folder.path());
    let now = chrono::Utc::now().timestamp_millis();
    let mut csv = "series,timestamp,value\n".to_owned();
    for minute in 0..120 {
        let at = now - minute * 60_000;
        // One sixth of the values of route `a` is too slow; those of `b` are good.
        let slow = if minute % 6 == 0 { 0.8 } else { 0.2 };
        csv += &format!(
            "\"latency{{route=\"\"a\"\"}}\",{at},{slow}\n\"latency{{route=\"\"b\"\"}}\",{at},0.1\nworkers,{at},4\n"
        );
    }
    assert_eq!(server.post("/v1/import?file=samples.csv", "text/csv", csv).status, 200);

    let rows = server.get("/v1/targets").json();
    let of = |name: &str, element: &str| -> Value {
        let found = rows.as_array().unwrap().iter().find(|row| row["name"] == name && row["element"] == element);
        found.unwrap_or_else(|| panic!("{name} {element}: {rows:#}")).clone()
    };
    let slow = of("latency", "latency{route=\"a\"}");
    assert_eq!((&slow["state"], &slow["value"], &slow["limit"]), (&json!("missed"), &json!(0.8), &json!(0.5)));
    assert!((slow["margin"].as_f64().unwrap() + 0.3).abs() < 1e-9, "{slow}");
    assert!((slow["good_share"].as_f64().unwrap() - 5.0 / 6.0).abs() < 0.02, "{slow}");
    assert!(slow["until"].as_str().unwrap() > chrono::Utc::now().to_rfc3339().as_str(), "{slow}");
    assert_eq!(of("latency", "latency{route=\"b\"}")["state"], "met");
    let workers = of("workers", "{}");
    assert_eq!((&workers["state"], &workers["value"]), (&json!("met"), &json!(4.0)));
    assert_eq!((&of("silent", "")["state"], &of("silent", "")["value"]), (&json!("no_data"), &Value::Null));
    assert_eq!(rows[0]["state"], "missed", "the worst come first");
    let csv = server.get("/v1/targets?format=csv&limit=1").text();
    assert!(
        csv.starts_with("name,element,state,value,limit,margin,good_share,covered,until,reason\nlatency,"),
        "{csv}"
    );

    let end = std::time::Instant::now() + Duration::from_secs(60);
    let stream = loop {
        let stream = server.get("/v1/streams/infrastructure").json();
        if stream["targets"] != json!([]) {
            break stream;
        }
        assert!(std::time::Instant::now() < end, "{stream}");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((stream["targets"].as_array().unwrap().len(), &stream["targets"][0]["name"]), (1, &json!("latency")));
    assert_eq!(server.get("/v1/streams/security").json()["targets"], json!([]));
}
