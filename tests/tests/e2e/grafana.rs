//! Requests of Grafana and of other clients of Prometheus' HTTP API.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{SystemTime, UNIX_EPOCH},
};

use almanac_engine::{
    series::{Labels, METRIC_NAME},
    store::{SampleBatch, Store, StoreOptions},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{Server, run};

/// The requests of a Grafana 12.4 dashboard in their order, with the bodies that it sends.
#[test]
fn a_dashboard_on_the_json_source_is_set_up_and_drawn() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let text = "cpu{host=\"web-1\"} 0.42 1795419600000\ncpu{host=\"web-1\"} 0.5 1795419660000\ncpu{host=\"web-2\"} 0.1 1795419660000\n";
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    let json = "application/json";
    assert_eq!(server.send(server.request("GET", "/grafana").header("content-type", json)).status, 200);
    let metrics = server.post("/grafana/metrics", json, "{}").json();
    let values: Vec<&str> = metrics.as_array().unwrap().iter().filter_map(|metric| metric["value"].as_str()).collect();
    assert!(values.contains(&"recommendations") && values.contains(&"promql"), "{values:?}");
    assert_eq!(
        server.post("/grafana/tag-keys", json, "").json()[0],
        json!({ "type": "string", "text": "host" }),
        "older Grafanas send no body"
    );
    assert_eq!(
        server.post("/grafana/tag-values", json, "{\"key\":\"host\"}").json(),
        json!([{"text":"web-1"},{"text":"web-2"}])
    );
    let panel: Value = serde_json::from_str(
        r#"{"app":"dashboard","requestId":"SQR100","timezone":"utc","startTime":1795419624385,
         "range":{"from":"2026-11-23T01:41:47.692Z","to":"2026-11-23T07:41:47.692Z","raw":{"from":"now-6h","to":"now"}},
         "rangeRaw":{"from":"now-6h","to":"now"},
         "interval":"1m","intervalMs":60000,"maxDataPoints":300,
         "targets":[{"refId":"A","datasource":{"uid":"u","type":"simpod-json-datasource"},"editorMode":"code","target":"cpu","payload":{}}],
         "filters":[{"key":"host","operator":"=","value":"web-1"}],
         "scopedVars":{"__interval":{"text":"1m","value":"1m"},"__interval_ms":{"text":"60000","value":60000},"__sceneObject":{"text":"__sceneObject"}},
         "panelId":2,"panelName":"p","panelPluginId":"timeseries","dashboardUID":"d","dashboardTitle":"t"}"#,
    )
    .unwrap();
    let frames = server.post_json("/grafana/query", &panel).json();
    let frame = &frames.as_array().unwrap()[0];
    assert_eq!(
        (frames.as_array().unwrap().len(), &frame["refId"], &frame["tags"]),
        (1, &json!("A"), &json!({"host":"web-1"}))
    );
    assert_eq!(frame["datapoints"][0], json!([0.42, 1_795_419_600_000_i64]));
    assert_eq!(frame["datapoints"][1], json!([0.5, 1_795_419_660_000_i64]));
    let variable = json!({"payload":{"target":"label_values(cpu, host)"},
        "range":{"from":"2026-11-23T01:41:47.692Z","to":"2026-11-23T07:41:47.692Z","raw":{"from":"now-6h","to":"now"}}});
    assert_eq!(server.post_json("/grafana/variable", &variable).json()[1], json!({"__text":"web-2","__value":"web-2"}));
    assert_eq!(
        server.post("/grafana/search", json, "{\"target\":\"incid\"}").json(),
        json!(["incidents", "suspected_incidents"])
    );
}

/// The requests of Grafana's built-in Prometheus data source.
#[test]
fn the_prometheus_source_saves_explores_and_draws() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let text = "cpu{host=\"web-1\"} 1 1795419600000\ncpu{host=\"web-1\"} 3 1795419660000\n";
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    let form = |path: &str, body: &str| server.post(path, "application/x-www-form-urlencoded", body);
    assert_eq!(
        form("/api/v1/query", "query=1%2B1&time=4").text(),
        r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
    );
    assert_eq!(server.get("/api/v1/status/buildinfo").status, 200);
    let names = server.get("/api/v1/label/__name__/values?limit=40000&start=1795419000&end=1795420000");
    assert_eq!(names.text(), r#"{"status":"success","data":["cpu"]}"#);
    let labels = form("/api/v1/labels", "limit=40000&start=1795419000&end=1795420000&match%5B%5D=cpu");
    assert_eq!(labels.text(), r#"{"status":"success","data":["__name__","host"]}"#);
    let series = form("/api/v1/series", "match%5B%5D=cpu&start=1795419000&end=1795420000");
    assert_eq!(series.text(), r#"{"status":"success","data":[{"__name__":"cpu","host":"web-1"}]}"#);
    let range = form("/api/v1/query_range", "query=avg_over_time(cpu%5B2m%5D)&start=1795419660&end=1795419720&step=60");
    assert_eq!(
        range.text(),
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"host":"web-1"},"values":[[1795419660,"2"],[1795419720,"3"]]}]}}"#
    );
    assert_eq!(form("/api/v1/label/host/values", "").status, 405, "the data source then tries GET");
}

/// `curl -g 'http://…/api/v1/query?query=up{job="api"}'` does not encode the quotes; the connection must stay usable.
#[test]
fn characters_that_should_have_been_encoded_are_accepted() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let text = "cpu{host=\"a<b>\"} 1 1795419600000\n";
    assert_eq!(server.post("/v1/import", "text/plain; version=0.0.4", text).status, 200);
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let get = "GET /api/v1/query?query=cpu{host=\"a<b>\"}&time=1795419600 HTTP/1.1\r\nHost: localhost\r\n";
    let form = "query=1%2B1&time=4";
    let post = format!(
        "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(format!("{get}\r\n{post}{get}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(
        answers.matches(r#"{"metric":{"__name__":"cpu","host":"a<b>"},"value":[1795419600,"1"]}"#).count(),
        2,
        "{answers}"
    );
    assert_eq!(answers.matches(r#""result":[4,"2"]"#).count(), 1, "{answers}");
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A panel over a year has one point per step, also where only rollups are left: the mean of a gauge, the rate of a
/// counter. The newest steps come from samples that are in no rollup yet.
#[test]
fn a_panel_over_a_year_is_read_from_rollups() {
    let folder = tempdir().unwrap();
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let end_ms = now_ms - now_ms.rem_euclid(DAY_MS);
    let start_ms = end_ms - 365 * DAY_MS;
    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let put = |store: &Store, name: &str, span: (i64, i64), value: fn(i64) -> f64| {
        let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, name), ("host", "a")]).unwrap()).unwrap();
        let timestamps: Vec<i64> = (span.0..span.1).step_by(600_000).collect();
        let values = timestamps.iter().map(|at| value(*at)).collect();
        let batch = SampleBatch { series: vec![id; timestamps.len()], timestamps, values, ..SampleBatch::default() };
        store.append(batch).unwrap().wait().unwrap();
    };
    // The hour of the day, and a counter of one per second that starts again every hundred days.
    let hour = |at: i64| f64::from(i32::try_from(at.rem_euclid(DAY_MS) / HOUR_MS).unwrap());
    let count = |at: i64| f64::from(i32::try_from(at.rem_euclid(100 * DAY_MS) / 1000).unwrap());
    put(&store, "hour_of_day", (start_ms, end_ms - DAY_MS / 2), hour);
    put(&store, "seconds_total", (start_ms, end_ms - DAY_MS / 2), count);
    store.close().unwrap();
    // Rollups are written while the samples are there; the samples of old days expire later.
    let compact = || {
        let compacted = run(folder.path(), ["compact", "--allow-drop"]);
        assert_eq!(compacted.code, Some(0), "{}", compacted.stderr);
    };
    compact();
    let retention = "[store]\nretention = { raw = \"30d\", rollup = \"800d\" }\n";
    fs::write(folder.path().join("almanac.toml"), retention).unwrap();
    compact();
    let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default()).unwrap();
    put(&store, "hour_of_day", (end_ms - DAY_MS / 2, end_ms), hour);
    put(&store, "seconds_total", (end_ms - DAY_MS / 2, end_ms), count);
    store.close().unwrap();

    let server = Server::start(folder.path());
    let kept = server.sql("SELECT count(*) FROM samples WHERE timestamp < now() - INTERVAL 40 DAY");
    assert_eq!(kept, json!([[0]]), "the samples of old days are deleted");
    let ask = |target: &str, step_ms: i64| {
        let body = json!({
            "range": { "from": iso(start_ms), "to": iso(end_ms), "raw": { "from": "now-1y", "to": "now" } },
            "intervalMs": step_ms, "maxDataPoints": 1000,
            "targets": [{ "refId": "A", "target": target, "payload": {} }],
            "filters": [{ "key": "host", "operator": "=", "value": "a" }],
        });
        let frames = server.post_json("/grafana/query", &body).json();
        let points = frames[0]["datapoints"].as_array().unwrap_or_else(|| panic!("{target}: {frames}")).clone();
        points.into_iter().map(|point| (point[1].as_i64().unwrap(), point[0].as_f64().unwrap())).collect::<Vec<_>>()
    };
    let days = ask("hour_of_day", DAY_MS);
    assert_eq!(days.len(), 365, "one point for each day");
    assert_eq!((days[0].0, days[364].0), (start_ms + DAY_MS, end_ms), "at the end of each step");
    assert!(days.iter().all(|(_, value)| (value - 11.5).abs() < 1e-9), "the mean hour of a day: {days:?}");
    // Half days: the means of the first twelve and of the last twelve hours.
    let halves = ask("sum(hour_of_day) + 1", DAY_MS / 2);
    assert_eq!(halves.len(), 730);
    for (at, value) in halves {
        let expected = if at.rem_euclid(DAY_MS) == 0 { 18.5 } else { 6.5 };
        assert!((value - expected).abs() < 1e-9, "{at}: {value}");
    }
    // Every full day has 86,400 seconds; a step with a reset counts what came after it.
    let rates = ask("rate(seconds_total[5m])", DAY_MS);
    assert!(rates.len() >= 363, "{}", rates.len());
    let exact = rates.iter().filter(|(_, value)| (value - 1.0).abs() < 1e-6).count();
    assert!(exact >= rates.len() - 4, "{exact} of {}: {rates:?}", rates.len());
    // A function that needs the samples is evaluated on them: there are none before the retention.
    let highest = ask("max_over_time(hour_of_day[1h])", DAY_MS);
    assert!((20..40).contains(&highest.len()), "{}", highest.len());
}

fn iso(at_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at_ms).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
