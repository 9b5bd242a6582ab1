//! Tests of Grafana's JSON data source.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use super::TestService;
use crate::{access::Auth, config::Config};

/// Returns a panel's request as Grafana 12.4 sends it, for the last ten minutes.
fn panel(targets: &Value, filters: &Value) -> Value {
    json!({"app":"dashboard","requestId":"SQR100","timezone":"utc","startTime":1795419624385_i64,
        "range":{"from":"2026-11-23T07:50:00.000Z","to":"2026-11-23T08:00:00.000Z","raw":{"from":"now-10m","to":"now"}},
        "rangeRaw":{"from":"now-10m","to":"now"},
        "interval":"5m","intervalMs":300_000,"maxDataPoints":300,
        "targets":targets,
        "filters":filters,
        "scopedVars":{"__interval":{"text":"5m","value":"5m"},"__interval_ms":{"text":"300000","value":300_000},"__sceneObject":{"text":"__sceneObject"}},
        "panelId":2,"panelName":"p","panelPluginId":"timeseries","dashboardUID":"d","dashboardTitle":"t"})
}

fn target(text: &str, payload: &Value) -> Value {
    json!([{"refId":"B","datasource":{"uid":"x","type":"simpod-json-datasource"},"editorMode":"code","target":text,"payload":payload}])
}

#[test]
fn the_connection_test_works_with_and_without_a_slash() {
    let service = TestService::new();
    for uri in ["/grafana", "/grafana/"] {
        let reply =
            service.send(Request::get(uri).header("content-type", "application/json").body(Body::empty()).unwrap());
        assert_eq!(reply.status, StatusCode::OK, "{uri}");
    }
}

#[test]
fn panels_get_frames_in_every_form() {
    let service = TestService::new();
    let show = |text: &str, payload: Value| {
        service.post_json("/grafana/query", &panel(&target(text, &payload), &json!([]))).shown()
    };
    insta::assert_snapshot!("signal", show("api.rate", json!({})));
    insta::assert_snapshot!("signal_inserted_as_pattern", show("(api\\.rate|db_up)", json!({})));
    insta::assert_snapshot!("promql", show("up", json!({ "legend": "{{job}} at {{instance}}" })));
    insta::assert_snapshot!("promql_table", show("promql", json!({ "expr": "up == 1", "format": "table" })));
    insta::assert_snapshot!(
        "promql_fields",
        show("up{job=\"b\\.c\"} or up{instance=\"(b\\.c:1|x)\"}", json!({ "format": "fields" }))
    );
    insta::assert_snapshot!("forecast", show("forecast(api\\.rate)", json!({})));
    insta::assert_snapshot!(
        "forecast_one_band",
        show("forecast(api.rate)", json!({ "level": ["80"], "format": "table" }))
    );
    insta::assert_snapshot!("recommendations", show("recommendations", json!({ "kind": ["ttl"] })));
    insta::assert_snapshot!("signals", show("signals", json!({ "format": "table" })));
}

#[test]
fn anomalies_incidents_and_deploys_are_tables() {
    let service = TestService::new();
    let mut body = panel(
        &json!([
            {"refId":"A","target":"anomalies","payload":{}},
            {"refId":"B","target":"anomalies(api.rate)","payload":{"format":"table"}},
            {"refId":"C","target":"incidents"},
            {"refId":"D","target":"deploys","payload":{}},
            {"refId":"E","target":"up","hide":true},
            {"refId":"F","target":""},
        ]),
        &json!(null),
    );
    body["range"]["from"] = json!("2026-11-23T07:00:00.000Z");
    insta::assert_snapshot!("tables", service.post_json("/grafana/query", &body).shown());
}

#[test]
fn ad_hoc_filters_apply_to_every_selector() {
    let service = TestService::new();
    let names = |filters: Value| -> Vec<String> {
        let reply =
            service.post_json("/grafana/query", &panel(&target("up", &json!({ "legend": "{{job}}" })), &filters));
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json().as_array().unwrap().iter().map(|frame| frame["target"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!([])), ["api", "db"]);
    assert_eq!(names(json!([{"key":"job","operator":"=","value":"db"}])), ["db"]);
    assert_eq!(
        names(json!([{"key":"job","operator":"=|","value":"db","values":["db","api"],"origin":"x"}])),
        ["api", "db"]
    );
    assert_eq!(names(json!([{"key":"instance","operator":"!~","value":"b.*"}])), ["api"]);
    // The name of the list in older versions.
    let mut body = panel(&target("up", &json!({})), &json!(null));
    body["adhocFilters"] = json!([{"key":"job","operator":"=","value":"db"}]);
    assert_eq!(service.post_json("/grafana/query", &body).json().as_array().unwrap().len(), 1);
}

/// A dashboard's filters apply to all of its panels; a table without the key ignores the filter.
#[test]
fn filters_on_keys_that_a_table_lacks_are_ignored() {
    let service = TestService::new();
    let all = |text: &str, filters: Value| {
        let mut body = panel(&target(text, &json!({})), &filters);
        body["range"]["from"] = json!("2026-11-23T07:00:00.000Z");
        let reply = service.post_json("/grafana/query", &body);
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.text()
    };
    let tables = [
        "forecast(api.rate)",
        "anomalies",
        "anomalies(api.rate)",
        "incidents",
        "deploys",
        "signals",
        "recommendations",
    ];
    for table in tables {
        let unfiltered = all(table, json!([]));
        for filter in [
            json!({"key":"job","operator":"=","value":"api"}),
            json!({"key":"job","operator":"=~","value":"a.*"}),
            json!({"key":"instance","operator":"!=","value":"x"}),
            json!({"key":"no_such_label","operator":">","value":"5"}),
        ] {
            assert_eq!(all(table, json!([filter])), unfiltered, "{table} {filter}");
        }
    }
    // A filter on a key of the table applies; a filter on a key that no series has hides no series.
    assert_ne!(
        all("recommendations", json!([{"key":"kind","operator":"=","value":"x"}])),
        all("recommendations", json!([]))
    );
    assert_ne!(all("deploys", json!([{"key":"service","operator":"=","value":"x"}])), all("deploys", json!([])));
    assert_eq!(all("up", json!([{"key":"kind","operator":"=","value":"ttl"}])), all("up", json!([])));
    assert_eq!(all("up", json!([{"key":"job","operator":"=","value":"none"}])), "[]");
}

#[test]
fn null_fields_are_treated_as_missing() {
    let service = TestService::new();
    let post = |path: &str, body: &str| {
        let reply = service.post(path, "application/json", body);
        assert_eq!(reply.status, StatusCode::OK, "{path} {body}: {}", reply.text());
        reply.json()
    };
    assert_eq!(
        post("/grafana/query", r#"{"targets":null,"filters":null,"range":null,"adhocFilters":null}"#),
        json!([])
    );
    let found = post(
        "/grafana/query",
        r#"{"range":null,"intervalMs":null,"maxDataPoints":null,"filters":[null,{"key":null,"operator":null,"value":null}],
            "targets":[null,{"refId":null,"target":"up","payload":null,"type":null,"hide":null,"datasource":null}]}"#,
    );
    assert_eq!(found.as_array().unwrap().len(), 2);
    for path in ["query", "variable", "metrics", "search", "tag-keys", "tag-values", "metric-payload-options"] {
        let path = format!("/grafana/{path}");
        for body in ["null", "{}", ""] {
            let reply = service.post(&path, "application/json", body);
            let refused = path.ends_with("variable");
            assert_eq!(reply.status == StatusCode::OK, !refused, "{path} {body}: {}", reply.text());
        }
    }
    post("/grafana/variable", r#"{"payload":{"target":"signals"},"range":null}"#);
    post("/grafana/annotations", r#"{"annotation":null,"range":null}"#);
    post("/grafana/annotations", r#"{"annotation":{"query":null},"range":{"from":null,"to":null}}"#);
    post("/grafana/tag-values", r#"{"key":"job","filters":[null],"timeRange":null}"#);
    post("/grafana/metrics", r#"{"metric":null,"payload":null,"name":null}"#);
}

#[test]
fn annotations_are_served_by_the_query_and_the_older_path() {
    let service = TestService::new();
    let anno = |text: &str| {
        let mut body = panel(&json!([{"refId":"Anno","target":text}]), &json!([]));
        body["requestId"] = json!("AQ100");
        body["range"]["from"] = json!("2026-11-23T07:00:00.000Z");
        service.post_json("/grafana/query", &body).shown()
    };
    insta::assert_snapshot!("anno_incidents", anno("incidents"));
    insta::assert_snapshot!("anno_anomalies", anno("anomalies"));
    insta::assert_snapshot!("anno_recommendations", anno("recommendations"));
    insta::assert_snapshot!("anno_expression", anno("up == 0"));
    let older = json!({
        "annotation": {"name":"a","datasource":"x","enable":true,"iconColor":"red","query":"deploys"},
        "range": {"from":"2026-11-23T07:00:00.000Z","to":"2026-11-23T08:00:00.000Z"},
        "rangeRaw": {"from":"now-1h","to":"now"}, "variables": {},
    });
    insta::assert_snapshot!("older_annotations", service.post_json("/grafana/annotations", &older).shown());
}

#[test]
fn lists_for_editors_and_variables_are_served() {
    let service = TestService::new();
    let post = |path: &str, body: Value| service.post_json(path, &body).shown();
    insta::assert_snapshot!("metrics", post("/grafana/metrics", json!({})));
    insta::assert_snapshot!("older_search", post("/grafana/search", json!({ "target": "rate", "type": "timeserie" })));
    let options = json!({ "metric": "recommendations", "payload": {}, "name": "target" });
    assert_eq!(service.post_json("/grafana/metric-payload-options", &options).text(), r#"[{"value":"user_profile"}]"#);
    let range =
        json!({"from":"2026-11-23T07:00:00.000Z","to":"2026-11-23T08:00:00.000Z","raw":{"from":"now-1h","to":"now"}});
    let variable =
        |text: &str| service.post_json("/grafana/variable", &json!({"payload":{"target":text},"range":range})).text();
    assert_eq!(
        variable("label_values(up, job)"),
        r#"[{"__text":"api","__value":"api"},{"__text":"db","__value":"db"}]"#
    );
    assert_eq!(variable("label_values(path)"), r#"[{"__text":"/a","__value":"/a"},{"__text":"/b","__value":"/b"}]"#);
    assert_eq!(variable("label_values(up{instance=\"b\\.c:1\"}, job)"), r#"[{"__text":"db","__value":"db"}]"#);
    assert_eq!(
        variable("signals"),
        r#"[{"__text":"api.rate","__value":"api.rate"},{"__text":"db_up","__value":"db_up"}]"#
    );
    assert!(variable("nonsense").contains("unknown_variable"));
}

#[test]
fn tags_are_listed_with_and_without_a_body() {
    let service = TestService::new();
    let expected = r#"[{"type":"string","text":"instance"},{"type":"string","text":"job"},{"type":"string","text":"kind"},{"type":"string","text":"path"},{"type":"string","text":"signal"},{"type":"string","text":"state"},{"type":"string","text":"target"}]"#;
    assert_eq!(service.post("/grafana/tag-keys", "application/json", "").text(), expected);
    assert_eq!(service.post_json("/grafana/tag-keys", &json!({})).text(), expected);
    let scenes = json!({"filters":[{"key":"job","operator":"=","value":"db"}],
        "timeRange":{"from":"2026-11-23T07:00:00.000Z","to":"2026-11-23T08:00:00.000Z","raw":{"from":"now-1h","to":"now"}},
        "dashboardUID":"d","key":"instance"});
    assert_eq!(service.post_json("/grafana/tag-values", &scenes).text(), r#"[{"text":"b.c:1"}]"#);
    assert_eq!(
        service.post_json("/grafana/tag-values", &json!({"key":"job"})).text(),
        r#"[{"text":"api"},{"text":"db"}]"#
    );
}

#[test]
fn an_error_has_its_message_for_panels_and_for_the_configuration_page() {
    let service = TestService::new();
    let check = |text: &str, payload: Value, code: &str| {
        let reply = service.post_json("/grafana/query", &panel(&target(text, &payload), &json!([])));
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &code.into()), "{body}");
        assert_eq!(body["error"]["message"], body["message"]);
    };
    check("forecast(nothing)", json!({}), "unknown_target");
    check("no such thing", json!({}), "unknown_target");
    check("up", json!({ "legnd": "x" }), "unknown_option");
    check("promql", json!({}), "unknown_option");
    check("forecast(api.rate)", json!({ "level": "99" }), "unknown_option");
    assert_eq!(service.post("/grafana/query", "application/json", "{").json()["error"]["code"], "invalid_json");
}

#[test]
fn cors_allows_the_configured_origins() {
    let config =
        Config::parse("[server]\ncors_origins = [\"https://grafana.example\"]", "almanac.toml".as_ref()).unwrap();
    let service = TestService::with(Auth::token("secret"), config);
    let preflight = |origin: &str| {
        let request = Request::options("/grafana/query")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,authorization");
        service.send(request.body(Body::empty()).unwrap())
    };
    let reply = preflight("https://grafana.example");
    assert_eq!(reply.header("access-control-allow-origin"), "https://grafana.example");
    assert!(reply.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(preflight("https://elsewhere.example").header("access-control-allow-origin"), "");
}
